"""Text becomes numbers where a role says so, and each row that cannot gets its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import polars as pl

from recprune.data.dataset import Roles
from recprune.data.guess import is_number
from recprune.data.intern import id_columns

__all__ = ["REASON", "typed"]

REASON = "reason\0"
"""The column that `typed` adds; no file has a column of that name."""

ABSENT = " is absent\0"
"""Behind the name of a numeric column: whether it says that it has no value."""

Way = Callable[[pl.Series], pl.Series]
"""How text may be read: as long as it was, null where it cannot."""

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
    28.02.2013, day first, the year in four digits. Values of categorical and numeric fields, and of a label that a rule
    reads, that stand in `missing` become null (those of columns of floats by their number), and so does NaN.
    Multi-valued text is parted at `multi`.
    """
    schema = frame.collect_schema()
    read = read_numbers(schema, roles, list(missing))
    changed: list[pl.Expr] = []
    wrong: dict[str, pl.Expr] = {}
    for name in (roles.user, roles.item):
        if name and name not in read:
            column = written(pl.col(name), schema[name])
            changed.append(column)
            wrong[f"{part_of(name, roles)} is empty"] = column.is_null() | (column == "")
    for name in (*roles.categorical, roles.label):
        if name and name not in (roles.user, roles.item, *read):
            column, kind = written(pl.col(name), schema[name]), schema[name]
            none = absent(name, kind, list(missing)) if kind.is_float() else column.is_in(list(missing))
            changed.append(pl.when(~none).then(column).alias(name))
    for name in read:
        if name in (roles.rating, roles.label, *roles.numeric):
            value, reasons = judged(name, part_of(name, roles), required=name not in roles.numeric)
            changed.append(value)
            wrong |= reasons
    if roles.time:
        wrong["time is no number or date"] = pl.col(roles.time).is_null()
    changed += [listed(name, schema[name], list(missing), multi) for name in roles.multi]
    aside = [name + ABSENT for name in roles.numeric if name in read]
    return frame.with_columns(*read.values()).with_columns(*unique(changed), first_of(wrong)).drop(aside)


def read_numbers(schema: pl.Schema, roles: Roles, missing: list[str]) -> dict[str, pl.Expr]:
    """Column -> the numbers in it, null where there is none; and of numeric fields, whether a value is missing."""
    ids = id_columns(roles)
    out: dict[str, pl.Expr] = {}
    for name in (roles.rating, roles.label, *roles.numeric):
        if name and name not in ids:
            out[name] = number(name, schema[name])
            if name in roles.numeric:
                out[name + ABSENT] = absent(name, schema[name], missing).alias(name + ABSENT)
    if roles.time:
        out[roles.time] = moment(roles.time, schema[roles.time])
    return out


def absent(name: str, dtype: pl.DataType, missing: list[str]) -> pl.Expr:
    """Whether a column says that it has no value: null, or what stands in `missing`, of floats as numbers."""
    column = pl.col(name)
    if dtype.is_float():
        return pl.any_horizontal(column.is_null(), *(column == float(one) for one in missing if is_number(one)))
    text = column.str.strip_chars(" \t") if dtype == pl.String else column.cast(pl.String)
    return column.is_null() | text.is_in(missing).fill_null(False)


def written(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Ids as text; NaN is none."""
    return (column.fill_nan(None) if dtype.is_float() else column).cast(pl.String)


def judged(name: str, part: str, *, required: bool) -> tuple[pl.Expr, dict[str, pl.Expr]]:
    """The numbers as float32, null where they are missing, and what is wrong with them."""
    number = pl.col(name)
    value = number.cast(pl.Float32)
    if required:
        return value, {f"{part} is no number": number.is_null(), f"{part} is not finite": ~value.is_finite()}
    missing = pl.col(name + ABSENT) | number.is_nan().fill_null(False)
    wrong = {f"{part} is no number": number.is_null() & ~missing, f"{part} is not finite": value.is_infinite()}
    return pl.when(~missing).then(value).alias(name), wrong


def first_of(wrong: Mapping[str, pl.Expr]) -> pl.Expr:
    """`REASON`: the first of these that holds, null where none does."""
    reason: pl.Expr = pl.lit(None, dtype=pl.String)
    for text, holds in reversed(list(wrong.items())):
        reason = pl.when(holds).then(pl.lit(text)).otherwise(reason)
    return reason.alias(REASON)


def unique(columns: Sequence[pl.Expr]) -> list[pl.Expr]:
    """One expression for each name."""
    return list({column.meta.output_name(): column for column in columns}.values())


def part_of(name: str, roles: Roles) -> str:
    """The role of a column, for a reason."""
    parts = ("user", "item", "rating", "label")
    return next((part for part in parts if getattr(roles, part) == name), name)


def number(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column as float64, null where it is no number."""
    if dtype == pl.String:
        return pl.col(name).map_batches(numbers, return_dtype=pl.Float64, is_elementwise=True)
    return pl.col(name).cast(pl.Float64)


def numbers(text: pl.Series) -> pl.Series:
    """Numbers in plain decimal form, also with spaces around them, as float64."""
    return tried(text, [lambda rest: rest.cast(pl.Float64, strict=False), lambda rest: stripped(rest, pl.Float64)])


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
    """Numbers and dates as int64."""
    ways: list[Way] = [
        lambda rest: rest.cast(pl.Int64, strict=False),
        lambda rest: stripped(rest, pl.Float64).floor().cast(pl.Int64, strict=False),
    ]
    return tried(text, [*ways, *(partial(dated, form) for form in DATES)])


def tried(text: pl.Series, ways: Sequence[Way]) -> pl.Series:
    """What the first way makes of the text; each further way is tried on what is still null."""
    out = ways[0](text)
    for way in ways[1:]:
        left = (out.is_null() & text.is_not_null()).arg_true()
        if not len(left):
            break
        out = out.scatter(left, way(text.gather(left)))
    return out


def stripped(text: pl.Series, dtype: type[pl.DataType]) -> pl.Series:
    """Numbers with spaces or tabs around them."""
    return text.str.strip_chars(" \t").cast(dtype, strict=False)


def dated(form: str, text: pl.Series) -> pl.Series:
    """Dates of one form as seconds since 1970; years have four digits ("%Y" alone takes 13 as the year 13)."""
    text = text.str.strip_chars(" \t")
    found = text.str.to_datetime(form, strict=False, time_unit="us", ambiguous="null")
    return found.set(~found.dt.year().is_between(1000, 9999), None).dt.epoch("s")


def listed(name: str, dtype: pl.DataType, missing: list[str], multi: str) -> pl.Expr:
    """The column as a list of strings, without missing ones."""
    column = pl.col(name)
    if isinstance(dtype, pl.Array):
        column, dtype = column.arr.to_list(), pl.List(dtype.inner)
    if isinstance(dtype, pl.List):
        column = column.list.eval(pl.element().fill_nan(None)) if dtype.inner.is_float() else column
        values = column.cast(pl.List(pl.String))
    else:
        values = column.cast(pl.String).str.split(multi)
    return values.list.eval(pl.element().filter(~pl.element().is_in(missing))).alias(name)
