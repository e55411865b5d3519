"""Text becomes numbers where a role says so, and each row that cannot gets its reason."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from recprune.data.dataset import Roles
from recprune.data.intern import id_columns

__all__ = ["REASON", "typed"]

REASON = "reason\0"
"""The column that `typed` adds; no file has a column of that name."""

DATES = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%d-%b-%Y",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
)


def typed(frame: pl.LazyFrame, roles: Roles, *, missing: Sequence[str] = ("",), multi: str = "|") -> pl.LazyFrame:
    """The columns with a role in their types, and `REASON`: null where the row is good.

    Ids stay as they are, to the byte; those of user and item must not be empty. rating, label and numeric columns are
    numbers in plain decimal form ("1_000" and full-width digits are none), with spaces around them allowed; a rating or
    label must be finite, a numeric one may be missing. Time is a whole number as it is (a fraction is cut off), or a
    date and becomes seconds since 1970 (UTC): 2013-02-28, with hours after a space or T; 28-Feb-2013; 28/02/2013 and
    28.02.2013, day first. Values of categorical and numeric fields that stand in `missing` become null. Multi-valued
    text is parted at `multi`.
    """
    schema = frame.collect_schema()
    changed: list[pl.Expr] = []
    reasons: list[pl.Expr] = []
    ids = id_columns(roles)
    for name in (roles.user, roles.item):
        if name:
            column = pl.col(name).cast(pl.String)
            changed.append(column)
            reasons.append(say(column.is_null() | (column == ""), f"{part_of(name, roles)} is empty"))
    for name in roles.categorical:
        if name not in (roles.user, roles.item):
            column = pl.col(name).cast(pl.String)
            changed.append(pl.when(~column.is_in(list(missing))).then(column).alias(name))
    if roles.label and roles.label in ids:
        changed.append(pl.col(roles.label).cast(pl.String))
    for name in (roles.rating, roles.label, *roles.numeric):
        if name and name not in ids:
            part = part_of(name, roles)
            column, reason = number(name, part, schema[name], list(missing), required=name not in roles.numeric)
            changed.append(column.alias(name))
            reasons.append(reason)
    if roles.time:
        column = moment(roles.time, schema[roles.time])
        changed.append(column.alias(roles.time))
        reasons.append(say(column.is_null(), "time is no number or date"))
    changed += [listed(name, schema[name], list(missing), multi) for name in roles.multi]
    reason = pl.coalesce([*reasons, pl.lit(None, dtype=pl.String)]).alias(REASON)
    return frame.with_columns(*unique(changed), reason)


def unique(columns: Sequence[pl.Expr]) -> list[pl.Expr]:
    """One expression for each name."""
    return list({column.meta.output_name(): column for column in columns}.values())


def part_of(name: str, roles: Roles) -> str:
    """The role of a column, for a reason."""
    parts = ("user", "item", "rating", "label")
    return next((part for part in parts if getattr(roles, part) == name), name)


def say(wrong: pl.Expr, reason: str) -> pl.Expr:
    """The reason where it is wrong, else null."""
    return pl.when(wrong).then(pl.lit(reason))


def number(name: str, part: str, dtype: pl.DataType, missing: list[str], *, required: bool) -> tuple[pl.Expr, pl.Expr]:
    """The column as float32, null where it is missing, and why it cannot be."""
    column = pl.col(name)
    if dtype == pl.String:
        text = column.str.strip_chars(" \t")
        absent = text.is_null() | text.is_in(missing)
        value = text.cast(pl.Float64, strict=False)
    else:
        absent, value = column.is_null(), column.cast(pl.Float64)
    if not required:
        absent = absent | value.is_nan().fill_null(False)
        wrong = say(~absent & value.is_null(), f"{part} is no number")
        wild = say(~absent & value.is_infinite(), f"{part} is not finite")
        return pl.when(~absent).then(value.cast(pl.Float32)), pl.coalesce([wrong, wild])
    wrong = say(value.is_null(), f"{part} is no number")
    wild = say(~value.cast(pl.Float32).is_finite(), f"{part} is not finite")
    return value.cast(pl.Float32), pl.coalesce([wrong, wild])


def moment(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column as int64, null where it is neither a number nor a date."""
    column = pl.col(name)
    if dtype.is_integer():
        return column.cast(pl.Int64, strict=False)
    if dtype.is_float():
        return column.floor().cast(pl.Int64, strict=False)
    if dtype.is_temporal():
        return column.cast(pl.Datetime("us")).dt.epoch("s")
    return column.map_batches(moments, return_dtype=pl.Int64, is_elementwise=True)


def moments(text: pl.Series) -> pl.Series:
    """Numbers and dates as int64. Each way to read them is tried on what the ways before it have left."""
    text = text.str.strip_chars(" \t")
    out = text.cast(pl.Int64, strict=False)
    for form in (None, *DATES):
        left = (out.is_null() & text.is_not_null()).arg_true()
        if not len(left):
            break
        rest = text.gather(left)
        if form is None:
            found = rest.cast(pl.Float64, strict=False).floor().cast(pl.Int64, strict=False)
        else:
            found = rest.str.to_datetime(form, strict=False, time_unit="us", ambiguous="null").dt.epoch("s")
        out = out.scatter(left, found)
    return out


def listed(name: str, dtype: pl.DataType, missing: list[str], multi: str) -> pl.Expr:
    """The column as a list of strings, without missing ones."""
    column = pl.col(name)
    values = column.cast(pl.List(pl.String)) if isinstance(dtype, pl.List) else column.cast(pl.String).str.split(multi)
    return values.list.eval(pl.element().filter(~pl.element().is_in(missing))).alias(name)
