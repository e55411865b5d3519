"""log_plot(): lines over two logarithmic axes, as an SVG that needs nothing else."""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Line", "log_plot"]

WIDTH, HEIGHT, LEFT, TOP, LOW, LABELS, LINE = 360, 340, 52, 34, 40, 78, 12.0
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#a65628", "#6a3d9a", "#666666")
DASHES = ("", "6 3", "2 3")
STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#333}.grid{stroke:#ddd}.title{font-weight:600;font-size:13px}"
    "@media (prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}}"
)

Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y), all above 0, under a name."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


def log_plot(rows: Sequence[Mapping[str, Sequence[Line]]], what: str) -> str:
    """Panels by title, some rows of them with one scale of y, which is `what`; every line ends with its name."""
    lines = [line for row in rows for panel in row.values() for line in panel]
    low, high = min(min(line.y) for line in lines), max(max(line.y) for line in lines)
    low, high = 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high))
    wide = max(len(row) for row in rows) * (WIDTH + LABELS)
    titles = "; ".join(dict.fromkeys(title for row in rows for title in row))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {len(rows) * HEIGHT}" role="img">',
        f"<title>{html.escape(what)} over {html.escape(titles)}</title><style>{STYLE}</style>",
    ]
    for place, row in enumerate(rows):
        parts.append(f'<g transform="translate(0 {place * HEIGHT})">')
        for number, (title, panel) in enumerate(row.items()):
            parts += _panel(number * (WIDTH + LABELS), title, panel, what if number == 0 else "", low, high)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _panel(left: int, title: str, lines: Sequence[Line], what: str, low: float, high: float) -> list[str]:
    first, last = min(min(line.x) for line in lines), max(max(line.x) for line in lines)

    def across(x: float) -> float:
        return left + LEFT + (WIDTH - LEFT) * math.log(x / first) / max(math.log(last / first), 1e-9)

    def down(y: float) -> float:
        return TOP + (HEIGHT - TOP - LOW) * (1 - math.log(y / low) / math.log(high / low))

    out = [f'<text class="title" x="{left + LEFT}" y="18">{html.escape(title)}</text>']
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        y = down(10.0**power)
        out.append(f'<line class="grid" x1="{left + LEFT}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text x="{left + LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for x in sorted({x for line in lines for x in line.x}):
        out.append(f'<text x="{across(x):.1f}" y="{HEIGHT - LOW + 16}" text-anchor="middle">{x:g}</text>')
    if what:
        out.append(f'<text x="{left + LEFT}" y="{HEIGHT - 6}">{html.escape(what)}</text>')
    return out + _drawn(lines, across, down, left + WIDTH + 6)


def _drawn(lines: Sequence[Line], across: Scale, down: Scale, beside: int) -> list[str]:
    """Lines, and their names from top to bottom without covering each other."""
    out, places = [], _apart([down(line.y[-1]) for line in lines])
    for number, (line, place) in enumerate(zip(lines, places, strict=True)):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
        way = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in zip(line.x, line.y, strict=True))
        out.append(
            f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash}"/>'
        )
        out.append(f'<text x="{beside}" y="{place + 4:.1f}" style="fill:{colour}">{html.escape(line.name)}</text>')
    return out


def _apart(wanted: Sequence[float]) -> list[float]:
    """Heights near those wanted, a line of text between each two, none under the axis while there is room above."""
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    places, lowest = list(wanted), HEIGHT - LOW + 0.0
    for before, here in itertools.pairwise(order):
        places[here] = max(places[here], places[before] + LINE)
    for number in reversed(order):
        places[number] = min(places[number], lowest)
        lowest = places[number] - LINE
    return places
