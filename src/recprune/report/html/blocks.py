"""shown(): blocks as HTML, one function a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from recprune.report.blocks import (
    Bars,
    Block,
    Cell,
    Chart,
    Code,
    List,
    Lists,
    Missing,
    Panel,
    Ranges,
    Table,
    Tile,
    Tiles,
    Value,
    Words,
)
from recprune.report.html.bars import bars, ranges
from recprune.report.html.cells import cell, hint, region, row_head
from recprune.report.html.chart import chart, legend
from recprune.report.text import PARAGRAPH, safe
from recprune.report.told import told

__all__ = ["shown"]

FULL = 5
"""Columns from which on a table is as wide as the page."""
MOST = 200
"""Rows of a table that a page shows; the JSON has all."""


def shown(blocks: Sequence[Block]) -> str:
    """Blocks from top to bottom; charts stand side by side, and so do lists."""
    return "".join(_together(kind, list(some)) for kind, some in groupby(blocks, key=type))


def _together(kind: type, some: list[Any]) -> str:
    inner = "".join(_SHOWN[kind](block) for block in some)
    if kind is Chart:
        return f'<div class="charts">{inner}</div>{legend(some[0])}'
    return f'<div class="lists">{inner}</div>' if kind is Lists else inner


def _words(block: Words) -> str:
    return (
        f'<p class="soft">{safe(block.text, PARAGRAPH)}</p>' if block.soft else f"<p>{safe(block.text, PARAGRAPH)}</p>"
    )


def _missing(block: Missing) -> str:
    how = f" To get it: {_command(block.how)}." if block.how else ""
    why = safe(block.why.rstrip("."), PARAGRAPH)
    return f'<p class="missing"><strong>{safe(block.what)}</strong>: not here, for {why}.{how}</p>'


def _command(how: str) -> str:
    """What to do; a command at its beginning stands out, for it is to be copied."""
    command, comma, rest = how.partition(",") if how.startswith("recprune ") else ("", "", how)
    return (f"<code>{safe(command)}</code>" if command else "") + safe(f"{comma}{rest}", PARAGRAPH)


def _tiles(block: Tiles) -> str:
    return f'<ul class="tiles">{"".join(map(_tile, block.tiles))}</ul>'


def _tile(tile: Tile) -> str:
    return (
        f'<li><span class="name">{safe(tile.name)}</span>'
        f'<span class="big"{hint(tile.after)}>{safe(told(tile.after))}</span>'
        f'<span class="from"{hint(tile.before)}>from {safe(told(tile.before))}</span>'
        f'<span class="note {safe(tile.tone)}">{safe(tile.note)}</span></li>'
    )


def _table(block: Table) -> str:
    numeric = [any(isinstance(row[i], Value) for row in block.rows) for i in range(len(block.columns))]
    body = "".join(_row(row, n in block.strong) for n, row in enumerate(block.rows[:MOST]))
    more = len(block.rows) - MOST
    left = f'<p class="soft">{more:,} further rows stand in the JSON twin (--format json).</p>' if more > 0 else ""
    caption = "" if block.folded or not block.caption else f"<caption>{safe(block.caption)}</caption>"
    kind = " class=full" if len(block.columns) >= FULL else ""
    made = region(block.caption, f"<table{kind}>{caption}{_head(block, numeric)}<tbody>{body}</tbody></table>") + left
    return f"<details><summary>{safe(block.caption)}</summary>{made}</details>" if block.folded else made


def _head(block: Table, numeric: list[bool]) -> str:
    if not any(block.columns):
        return ""
    cells = (
        f'<th scope="col"{" class=n" if n else ""}>{safe(name)}</th>'
        for name, n in zip(block.columns, numeric, strict=True)
    )
    return f"<thead><tr>{''.join(cells)}</tr></thead>"


def _row(row: Sequence[Cell], strong: bool) -> str:
    first, *rest = row
    head = row_head(first) if isinstance(first, str) else cell(first)
    return f"<tr{' class=strong' if strong else ''}>{head}{''.join(map(cell, rest))}</tr>"


def _panel(block: Panel) -> str:
    key, title = safe(block.key), safe(block.title)
    return (
        f'<div class="panel" id="{key}" role="region" aria-label="{title}"><h3>{title}</h3>{shown(block.blocks)}</div>'
    )


def _lists(block: Lists) -> str:
    pair = "".join(map(_list, block.lists))
    return f'<div class="user"><h3>{safe(block.user)}</h3><p>{safe(block.note)}</p><div class="pair">{pair}</div></div>'


def _list(block: List) -> str:
    items = "".join(f"<li>{safe(item)}{''.join(_marks(hit, fresh))}</li>" for item, hit, fresh in _items(block))
    return f"<div><h4>{safe(block.title)}</h4><ol>{items}</ol></div>"


def _items(block: List) -> Iterator[tuple[str, bool, bool]]:
    return zip(block.items, block.hits, block.fresh, strict=True)


def _marks(hit: bool, fresh: bool) -> Iterator[str]:
    if hit:
        yield ' <span class="hit" role="img" aria-label="taken later" title="taken later">✓</span>'
    if fresh:
        yield ' <span class="fresh" role="img" aria-label="only in this list" title="only in this list">+</span>'


def _code(block: Code) -> str:
    lines = "\n".join(map(safe, block.text.splitlines()))
    return f'<pre tabindex="0"><code>{lines}</code></pre>'


_SHOWN: dict[type, Callable[[Any], str]] = {
    Bars: bars,
    Chart: chart,
    Code: _code,
    Lists: _lists,
    Missing: _missing,
    Panel: _panel,
    Ranges: ranges,
    Table: _table,
    Tiles: _tiles,
    Words: _words,
}
