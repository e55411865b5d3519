"""quality_plot(): quality over bytes, a panel a data set, as an SVG that needs nothing else."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Panel", "Series", "quality_plot"]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, LOW, GAP = 330, 300, 46, 10, 58, 44, 14
COLOURS = ("#0067b8", "#c2410c", "#15803d", "#8a3ffc", "#8a6d00", "#6b7280", "#b0306a", "#3f3f46")
STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#333}.grid{stroke:#ddd}.title{font-weight:600;font-size:13px}"
    ".mark{stroke:#fff}"
    "@media (prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.mark{stroke:#111}}"
)
BESIDE, LINE = 3, 17
"""Panels in a row at most, where all stand in one; pixels from a line of the legend to the next."""
TICKS = 4
"""Values on the axis of quality, about."""

Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Series:
    """Points (bytes, quality) of one way to make a model small; joined by a line where `line` says so."""

    name: str
    points: Sequence[tuple[float, float]]
    line: bool = True


@dataclass(frozen=True, slots=True)
class Panel:
    """title: of the data. metric: what quality is. least: the lowest quality that is shown; what is below stands at the
    lower edge as an arrow."""

    title: str
    metric: str
    series: Sequence[Series]
    least: float


def quality_plot(panels: Sequence[Panel], what: str) -> str:
    """Panels beside each other, two in a row where there are more than three, under one legend. A name has the same
    colour in all of them."""
    names = list(dict.fromkeys(series.name for panel in panels for series in panel.series))
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    beside = len(panels) if len(panels) <= BESIDE else 2
    whole = beside * WIDTH + (beside - 1) * GAP
    legend, below = _legend(colours, whole)
    tall = below + HEIGHT * math.ceil(len(panels) / beside)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {tall}" role="img">',
        f"<title>{html.escape(what)}</title><style>{STYLE}</style>",
        *legend,
    ]
    for number, panel in enumerate(panels):
        row, column = divmod(number, beside)
        parts += [
            f'<g transform="translate({column * (WIDTH + GAP)} {below + row * HEIGHT})">',
            *_panel(panel, colours),
        ]
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _legend(colours: Mapping[str, str], whole: int) -> tuple[list[str], int]:
    """Names in their colours, in as many lines as it takes, and how much lower than one line they end."""
    out, across, down = list[str](), 4.0, 0
    for name, colour in colours.items():
        width = 30 + 6.1 * len(name)
        if across + width > whole + 17:  # nothing comes behind the last
            across, down = 4.0, down + LINE
        out.append(f'<circle cx="{across + 5:.0f}" cy="{down + 10}" r="4" fill="{colour}"/>')
        out.append(f'<text x="{across + 13:.0f}" y="{down + 14}">{html.escape(name)}</text>')
        across += width
    return out, down


def _panel(panel: Panel, colours: Mapping[str, str]) -> Iterator[str]:
    points = [point for series in panel.series for point in series.points]
    low, high = min(x for x, _ in points) / 1.25, max(x for x, _ in points) * 1.25
    most = max(y for _, y in points)
    span = most - panel.least

    def across(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / low) / math.log(high / low)

    def down(y: float) -> float:
        return TOP + (HEIGHT - TOP - LOW) * (1.06 - max(0.0, (y - panel.least) / span)) / 1.06

    yield f'<text class="title" x="{LEFT}" y="38">{html.escape(panel.title)}</text>'
    yield f'<text x="{LEFT}" y="52">{html.escape(panel.metric)}</text>'
    ends = f'x1="{LEFT}" x2="{WIDTH - RIGHT}"'
    for y in _round(panel.least, most):
        yield f'<line class="grid" {ends} y1="{down(y):.1f}" y2="{down(y):.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{down(y) + 4:.1f}" text-anchor="end">{y:g}</text>'
    for x, name in _bytes(low, high):
        yield f'<text x="{across(x):.1f}" y="{HEIGHT - LOW + 16}" text-anchor="middle">{name}</text>'
    yield f'<text x="{LEFT}" y="{HEIGHT - 8}">size of the model, smaller to the left</text>'
    for series in reversed(panel.series):
        yield from _series(series, colours[series.name], across, down, panel.least)


def _series(series: Series, colour: str, across: Scale, down: Scale, least: float) -> Iterator[str]:
    name = html.escape(series.name)
    shown = [(across(x), down(y), y >= least, x, y) for x, y in sorted(series.points)]
    if series.line and len(shown) > 1:
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y, *_ in shown)
        yield f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
    for x, y, there, size, value in shown:
        said = f"<title>{name}: {value:.4g} in {size:,.0f} bytes</title>"
        if there:
            yield f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4.2" fill="{colour}">{said}</circle>'
        else:
            yield f'<path d="M{x - 5:.1f} {y - 7:.1f}h10l-5 8z" fill="{colour}">{said}</path>'


def _round(low: float, high: float) -> list[float]:
    """Some round values from low to high."""
    rough = (high - low) / TICKS
    step = 10.0 ** math.floor(math.log10(rough))
    step *= next(times for times in (1, 2, 5, 10) if times * step >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 10) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _bytes(low: float, high: float) -> Iterator[tuple[float, str]]:
    """Powers of ten, and thirds of them, with their names."""
    for power in range(3, 12):
        for first in (1, 3):
            x = first * 10.0**power
            if low <= x <= high:
                unit, size = ("kB", 1e3) if x < 1e6 else ("MB", 1e6) if x < 1e9 else ("GB", 1e9)
                yield x, f"{x / size:g} {unit}"
