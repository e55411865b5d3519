"""What counts as positive: "rating >= 4", "cnt > 2", "income in >50K, >50K.", "quantity > 0 and price > 0"."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

import polars as pl

from recprune.data.dataset import Roles
from recprune.errors import DataError

__all__ = ["positive"]

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
FORM = re.compile(r"^\s*(?P<column>.+?)\s*(?P<compare>>=|<=|==|!=|>|<|\sin\s)\s*(?P<value>.+?)\s*$")


AND = re.compile(r"\s+and\s+(?=\S+\s*(?:>=|<=|==|!=|>|<|\sin\s))")
"""Between two conditions; an `and` inside a value has no comparison behind its next word."""


def positive(rule: str, roles: Roles, schema: pl.Schema) -> pl.Expr:
    """The rule as an expression: COLUMN, one of >= <= == != > < in, and a value (for `in` several, with commas).
    Several conditions, parted by `and`, must all hold.

    COLUMN is a role (`rating`, `label`, ...) or a column's own name. Numbers are compared as numbers where the column
    is numeric, otherwise values are compared as text. Missing values are not positive.
    Raises DataError where the rule has another form, or names no column.
    """
    return pl.all_horizontal([condition(part, roles, schema) for part in AND.split(rule)])


def condition(rule: str, roles: Roles, schema: pl.Schema) -> pl.Expr:
    """One condition of a rule."""
    found = FORM.match(rule)
    if found is None:
        raise DataError(f"positive: expected 'COLUMN >= VALUE', as in 'rating >= 4', not {rule!r}", rule=rule)
    said, compare, value = found["column"], found["compare"].strip(), found["value"]
    single = ("user", "item", "rating", "label", "time")
    name = (getattr(roles, said) if said in single else None) or said
    if name not in schema.names():
        raise DataError(f"positive: no column {said!r}; there are: {', '.join(schema.names())}", rule=rule, column=said)
    column, numeric = pl.col(name), schema[name].is_numeric()
    if not numeric:
        column = column.cast(pl.String)
    values = [number(v.strip(), rule) if numeric else v.strip() for v in value.split(",")]
    test = column.is_in(values) if compare == "in" else COMPARE[compare](column, values[0] if numeric else value)
    return test.fill_null(False)


def number(text: str, rule: str) -> float:
    """A number of a rule. Raises DataError where it is none."""
    try:
        return float(text)
    except ValueError:
        raise DataError(
            f"positive: {text!r} in {rule!r} is not a number, but the column is numeric", rule=rule
        ) from None
