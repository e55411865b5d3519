"""What counts as positive: "rating >= 4", "cnt > 2", "income in >50K, >50K.", "quantity > 0 and price > 0"."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

import polars as pl

from recprune.data.dataset import Roles
from recprune.data.guess import is_number
from recprune.errors import DataError

__all__ = ["positive", "read_by"]

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

    COLUMN is a role (`rating`, `label`, ...) or a column's own name. Numbers are compared as numbers, also where the
    column is text; other values are compared as text, and so are user, item and categorical fields by == != in.
    Missing values are not positive.
    Raises DataError where the rule has another form, or names no column.
    """
    return pl.all_horizontal([condition(part, roles, schema) for part in AND.split(rule)])


def read_by(rule: str, roles: Roles) -> list[str]:
    """Names of the columns that a rule looks at. Raises DataError where the rule has another form."""
    return [column_of(parted(part)[0], roles) for part in AND.split(rule)]


def parted(rule: str) -> tuple[str, str, str]:
    """Column, comparison and value of one condition."""
    found = FORM.match(rule)
    if found is None:
        raise DataError(f"positive: expected 'COLUMN >= VALUE', as in 'rating >= 4', not {rule!r}", rule=rule)
    return found["column"], found["compare"].strip(), found["value"]


def column_of(said: str, roles: Roles) -> str:
    """The column that a role or a name means."""
    return (getattr(roles, said) if said in ("user", "item", "rating", "label", "time") else None) or said


def condition(rule: str, roles: Roles, schema: pl.Schema) -> pl.Expr:
    """One condition of a rule."""
    said, compare, value = parted(rule)
    name = column_of(said, roles)
    if name not in schema.names():
        raise DataError(f"positive: no column {said!r}; there are: {', '.join(schema.names())}", rule=rule, column=said)
    values = [value]
    if compare == "in":
        compare, values = "==", [one.strip() for one in value.split(",")]
    if schema[name].is_numeric():
        tests = [COMPARE[compare](pl.col(name), number(one, rule)) for one in values]
    else:
        exact = name in (roles.user, roles.item, *roles.categorical) and compare in ("==", "!=")
        tests = [of_text(pl.col(name).cast(pl.String), compare, one, exact=exact) for one in values]
    return pl.any_horizontal(tests).fill_null(False)


def of_text(text: pl.Expr, compare: str, value: str, *, exact: bool) -> pl.Expr:
    """Text against a value: as numbers where the value is one (text that is none differs from it, and is neither more
    nor less); byte by byte where it is none, or `exact`."""
    test: pl.Expr = COMPARE[compare](text, value)
    if exact or not is_number(value) or not math.isfinite(float(value)):
        return test
    numbers = text.str.strip_chars(" \t").cast(pl.Float64, strict=False).fill_nan(None)
    found: pl.Expr = COMPARE[compare](numbers, float(value))
    return found.fill_null(test) if compare == "!=" else found


def number(text: str, rule: str) -> float:
    """A number of a rule. Raises DataError where it is none."""
    try:
        return float(text)
    except ValueError:
        raise DataError(
            f"positive: {text!r} in {rule!r} is not a number, but the column is numeric", rule=rule
        ) from None
