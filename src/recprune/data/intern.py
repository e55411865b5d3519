"""Strings become integers early: what a large log needs to fit into memory."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from recprune.data.dataset import Roles
from recprune.data.positive import read_by

__all__ = ["columns_with_a_role", "id_columns", "interned"]


def columns_with_a_role(roles: Roles) -> list[str]:
    """Names of all columns that play a part, each once, in the order of the roles; behind them those that only the rule
    for positives looks at. Raises DataError where that rule has another form."""
    single = (roles.user, roles.item, roles.rating, roles.label, roles.time)
    names = [name for name in single if name] + [*roles.categorical, *roles.numeric, *roles.multi]
    if names and roles.positive is not None:
        names += read_by(roles.positive, roles)
    return list(dict.fromkeys(names))


def id_columns(roles: Roles) -> list[str]:
    """Columns whose values are ids: user, item, categorical and multi-valued ones; a label, or a column without a part,
    that a rule reads too."""
    numbers = {roles.rating, roles.time, *roles.numeric}
    if roles.positive is None:
        numbers.add(roles.label)
    return [name for name in columns_with_a_role(roles) if name not in numbers]


def interned(frame: pl.LazyFrame, roles: Roles, beside: Sequence[str] = ()) -> pl.DataFrame:
    """The columns with a role in memory: ids as Categorical (4 bytes a row), rating, label and numeric columns as
    float32, time as int64; columns `beside` as they are. Rows stay in order. About 20 bytes a row for user,
    item, rating and time.
    """
    ids, schema = id_columns(roles), frame.collect_schema()
    columns = []
    for name in columns_with_a_role(roles):
        if name in ids:
            columns.append(as_categorical(name, schema[name]))
        elif name == roles.time:
            columns.append(pl.col(name).cast(pl.Int64))
        else:
            columns.append(pl.col(name).cast(pl.Float32))
    return frame.select(*columns, *beside).collect(engine="streaming")


def as_categorical(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column (or the entries of its lists) as Categorical, with categories of its own."""
    column = pl.col(name)
    if isinstance(dtype, pl.Categorical) or dtype == pl.List(pl.Categorical):
        return column
    kind = pl.Categorical(pl.Categories.random(name))
    if isinstance(dtype, pl.List):
        return column.cast(pl.List(pl.String)).cast(pl.List(kind))
    return column.cast(pl.String).cast(kind)
