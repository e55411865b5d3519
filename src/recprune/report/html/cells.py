"""cell(), row_head(): what stands in the tables of a page."""

from __future__ import annotations

from recprune.report.blocks import Cell, Value
from recprune.report.text import safe
from recprune.report.told import exact, interval, told

__all__ = ["cell", "hint", "region", "row_head"]

TONES = {"better": "good", "worse": "bad"}
LONG = 36
"""Characters of a text that may break anywhere."""


def cell(found: Cell) -> str:
    """A text, or a number to the right with its interval below it."""
    if isinstance(found, str):
        return f"<td{_kind(found)}>{safe(found)}</td>"
    reach = interval(found)
    below = f'<span class="range">{safe(reach)}</span>' if reach else ""
    return f'<td class="n"{hint(found)}>{safe(told(found))}{below}</td>'


def row_head(text: str) -> str:
    """What a row is about."""
    return f'<th scope="row"{_long(text)}>{safe(text)}</th>'


def hint(value: Value) -> str:
    """The exact number of bytes, for who stays on it with the pointer."""
    text = exact(value)
    return f' title="{safe(text)}"' if text else ""


def region(caption: str, inner: str) -> str:
    """A table that scrolls by itself where it is too wide; a keyboard reaches it, too."""
    name = f' role="region" tabindex="0" aria-label="{safe(caption)}"' if caption else ""
    return f'<div class="scroll"{name}>{inner}</div>'


def _kind(text: str) -> str:
    """What is better or worse is told by a colour too."""
    verdict = text.partition(" ")[0]
    return f" class={TONES[verdict]}" if verdict in TONES else _long(text)


def _long(text: str) -> str:
    return " class=long" if len(text) > LONG else ""
