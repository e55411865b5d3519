"""markdown(): the same report as text, for a repository, a wiki or a review."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from recprune.report.blocks import (
    Bars,
    Block,
    Cell,
    Chart,
    Code,
    Lists,
    Missing,
    Panel,
    Ranges,
    Table,
    Tiles,
    Value,
    Words,
)
from recprune.report.make import Report, for_people
from recprune.report.text import LONGEST, PARAGRAPH, shown
from recprune.report.told import interval, told

__all__ = ["blocks_of", "cells", "markdown", "plain"]

MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]#|~"})
"""What Markdown would read as a mark."""


def markdown(report: Report) -> str:
    """Headings, tables and lists; panels of charts stand in the page alone."""
    parts = [f"# {plain(report.title)}", plain(report.asked)]
    for section in for_people(report):
        parts += [f"## {plain(section.title)}", *blocks_of(section.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def blocks_of(blocks: Sequence[Block]) -> Iterator[str]:
    """Each block as a paragraph or a table."""
    for block in blocks:
        if type(block) in _TOLD:
            yield from _TOLD[type(block)](block)


def plain(text: object, longest: int = PARAGRAPH) -> str:
    """Text that is text: neither HTML nor a mark of Markdown, on one line.

    >>> plain("<b> a_b | c")
    '&lt;b&gt; a\\\\_b \\\\| c'
    """
    return html.escape(shown(" ".join(str(text).split()), longest).translate(MARKS), quote=False)


def cells(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table; columns of numbers stand to the right."""
    numeric = [any(isinstance(row[i], Value) for row in rows) for i in range(len(columns))]
    lines = [[plain(name) for name in columns], ["---:" if n else "---" for n in numeric]]
    lines += [[_cell(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return plain(cell, LONGEST)
    reach = interval(cell)
    return plain(told(cell)) + (f" ({plain(reach)})" if reach else "")


def _table(block: Table) -> Iterator[str]:
    yield f"**{plain(block.caption)}**" if block.caption else ""
    yield cells(block.columns, block.rows)


def _tiles(block: Tiles) -> Iterator[str]:
    yield cells(("", "before", "after", ""), [(t.name, t.before, t.after, t.note) for t in block.tiles])


def _bars(block: Bars) -> Iterator[str]:
    yield f"**{plain(block.caption)}**"
    yield cells(("layer", "before", "after"), [(row.name, row.before, row.after) for row in block.rows])


def _ranges(block: Ranges) -> Iterator[str]:
    yield f"**{plain(block.caption)}**"
    rows: list[tuple[Cell, ...]] = [
        (row.name, row.first, *([] if row.second is None else [row.second])) for row in block.rows
    ]
    yield cells(("", *block.names), rows)


def _chart(block: Chart) -> Iterator[str]:
    yield f"**{plain(block.title)}**"
    yield cells(("model", plain(block.x), plain(block.y)), [(dot.name, dot.x, dot.y) for dot in block.dots])


def _lists(block: Lists) -> Iterator[str]:
    yield f"**{plain(block.user)}**: {plain(block.note)}"
    for one in block.lists:
        items = zip(one.items, one.hits, one.fresh, strict=True)
        yield f"{plain(one.title)}: " + ", ".join(
            f"{plain(i)}{' ✓' if h else ''}{' +' if f else ''}" for i, h, f in items
        )


def _missing(block: Missing) -> Iterator[str]:
    how = f" To get it: {plain(block.how)}." if block.how else ""
    yield f"*{plain(block.what)}*: not here, for {plain(block.why.rstrip('.'))}.{how}"


def _code(block: Code) -> Iterator[str]:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", block.text)), default=0))
    yield f"{fence}sh\n{block.text}\n{fence}"


_TOLD: dict[type, Callable[[Any], Iterator[str]]] = {
    Words: lambda block: iter([plain(block.text)]),
    Missing: _missing,
    Tiles: _tiles,
    Table: _table,
    Bars: _bars,
    Ranges: _ranges,
    Chart: _chart,
    Lists: _lists,
    Code: _code,
    Panel: lambda block: iter(()),
}
