"""Blocks: what a report is made of, as plain data. Every face of it (page, text, JSON) shows the same ones."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Bar",
    "Bars",
    "Block",
    "Cell",
    "Chart",
    "Code",
    "Dot",
    "List",
    "Lists",
    "Missing",
    "Panel",
    "Range",
    "Ranges",
    "Section",
    "Table",
    "Tile",
    "Tiles",
    "Value",
    "Words",
]


@dataclass(frozen=True, slots=True)
class Value:
    """A number that knows its unit: "count", "bytes", "ms", "metric", "change", "share", "shift" (a share with its
    sign), "times", "rise" or "seconds".

    number: None where there is none. low, high: its interval, where it has one.
    """

    number: float | None
    unit: str
    low: float | None = None
    high: float | None = None


Cell = str | Value
"""What stands in a table."""


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph. soft: for who wants to know more."""

    text: str
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """What is not here, why, and how to get it: a command, or what to do; empty where the reason says it already."""

    what: str
    why: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One number before and after. note: what it means. tone: "good", "bad" or "plain"."""

    name: str
    before: Value
    after: Value
    note: str
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Tiles:
    """The few numbers to look at first."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells. folded: shown on demand, for it is long or repeats what is drawn. strong: numbers of main rows."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    strong: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """A length before and after."""

    name: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class Bars:
    """Lengths that begin at 0, on one scale."""

    caption: str
    rows: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """A number with its interval, and the same of a second model where there is one."""

    name: str
    first: Value
    second: Value | None = None


@dataclass(frozen=True, slots=True)
class Ranges:
    """Intervals on one scale with 0 on it. names: of the first and the second number."""

    caption: str
    names: tuple[str, ...]
    rows: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """A model in a chart. kind: "before", "after", "rival" or "stop". panel: what tells more of it.

    line: it is joined to its neighbours: no other stop is as good and as small.
    """

    name: str
    kind: str
    x: Value
    y: Value
    panel: str
    line: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Models by cost (x) and quality (y, in shares of the large model's). down: a lower y is better."""

    title: str
    x: str
    y: str
    log: bool
    down: bool
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """What a click on a point shows."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class List:
    """One list of items, best first. hits: which of them the user took later. fresh: which the other list lacks."""

    title: str
    items: tuple[str, ...]
    hits: tuple[bool, ...]
    fresh: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of one user, side by side."""

    user: str
    note: str
    lists: tuple[List, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Commands, or other text to copy."""

    text: str


Block = Words | Missing | Tiles | Table | Bars | Ranges | Chart | Panel | Lists | Code


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report. name: for links to it. blocks: from top to bottom."""

    name: str
    title: str
    blocks: tuple[Block, ...]
