"""Values as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

__all__ = ["number", "pairs", "table"]


def number(value: object) -> str:
    """1234567 -> 1,234,567; 0.123456 -> 0.1235; None -> –."""
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(number(part) for part in value)
    return str(value)


def pairs(facts: Mapping[str, Any]) -> Iterator[str]:
    """One line a fact; a mapping inside is told on the same line."""
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {number(one)}" for key, one in value.items()) or "none"
        yield f"{name:<{width}}  {number(value)}"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> Table:
    """A table; columns whose values are numbers stand to the right."""
    out = Table(title=title, title_justify="left", header_style="bold")
    for place, name in enumerate(columns):
        right = bool(rows) and all(not isinstance(row[place], str) for row in rows)
        out.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        out.add_row(*(number(value) for value in row))
    return out
