"""chart(): quality against cost as inline SVG that is read without a script."""

from __future__ import annotations

from collections.abc import Iterator

from recprune.report.blocks import Chart, Dot, Value
from recprune.report.html.marks import LEGEND, mark
from recprune.report.html.scale import Scale, linear, logarithmic
from recprune.report.text import safe
from recprune.report.told import interval, told

__all__ = ["chart", "legend"]

WIDE, HIGH = 460, 330
LEFT, RIGHT, TOP, BOTTOM = 52, 444, 50, 282
LEAST = 0.01
"""Least span of quality that is drawn: smaller differences are not blown up."""
LETTER = 7.4
"""How wide a letter of a name is, about."""
PLACES = ((11, 4, "start"), (-11, 4, "end"), (10, -9, "start"), (-10, -9, "end"), (0, -15, "middle"), (0, 24, "middle"),
          (10, 18, "start"), (-10, 18, "end"))  # fmt: skip
"""Where a name may stand: across and down from its point, and which end of it is there."""
Box = tuple[float, float, float, float]
SHORT = {"before": "larger", "after": "smaller"}
ORDER = {"stop": 0, "before": 1, "after": 2, "rival": 3}
"""What is drawn first; small marks come last, so that a large one does not hide them."""


def chart(found: Chart) -> str:
    """A figure with its points as links to what tells more of them."""
    xs, ys = _scales(found)
    dots = sorted(found.dots, key=lambda dot: ORDER[dot.kind])
    parts = [
        f'<text class="title" x="8" y="16">{safe(found.title)}</text>',
        f'<text x="8" y="35">{safe(found.y)}</text>',
        *_axes(found, xs, ys),
        *_front(dots, xs, ys),
        *(_dot(dot, xs, ys) for dot in dots),
        *_labels(dots, xs, ys),
    ]
    return (
        f'<figure><svg class="chart" viewBox="0 0 {WIDE} {HIGH}" role="group" aria-label="{safe(_told(found))}">'
        f"{''.join(parts)}</svg></figure>"
    )


def legend(found: Chart) -> str:
    """What the marks stand for, once for all charts."""
    kinds = {(dot.kind, dot.line): dot for dot in found.dots}
    items = [("before", 0, LEGEND["before"])] if ("before", False) in kinds else []
    items += [("after", 0, LEGEND["after"])] if ("after", False) in kinds else []
    items += [("rival", _number(dot), dot.name) for dot in found.dots if dot.kind == "rival"]
    items += [("stop line", 1, LEGEND["line"])] if ("stop", True) in kinds else []
    items += [("stop", 0, LEGEND["stop"])] if ("stop", False) in kinds else []
    shown = (
        f'<li><svg viewBox="-9 -9 18 18" aria-hidden="true"><g class="dot {kind}">'
        f"{mark(kind.split()[0], number)}</g></svg>{safe(name)}</li>"
        for kind, number, name in items
    )
    return f'<ul class="legend" aria-label="Marks">{"".join(shown)}</ul>'


def _told(found: Chart) -> str:
    """The chart for who does not see it."""
    return f"{found.title}: {len(found.dots)} models. Across: {found.x}. Up: {found.y}. A table below has all values."


def _scales(found: Chart) -> tuple[Scale, Scale]:
    x = [dot.x.number for dot in found.dots if dot.x.number]
    y = [n for dot in found.dots for n in (dot.y.number, dot.y.low, dot.y.high) if n is not None]
    across = logarithmic(x, LEFT, RIGHT) if found.log else linear([0.0, *(n * 1.08 for n in x)], LEFT, RIGHT)
    ends = (TOP, BOTTOM) if found.down else (BOTTOM, TOP)
    return across, linear([*y, 1.0], *ends, pad=0.08, least=LEAST)


def _axes(found: Chart, xs: Scale, ys: Scale) -> Iterator[str]:
    for tick in ys.ticks:
        y = ys.at(tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{_tick(tick, "share", ys)}</text>'
    unit = "bytes" if found.log else "share"
    for tick in xs.ticks:
        x = xs.at(tick)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{BOTTOM}" y2="{BOTTOM + 4}"/>'
        yield f'<text x="{x}" y="{BOTTOM + 18}" text-anchor="middle">{_tick(tick, unit, xs)}</text>'
    yield f'<line class="grid base" x1="{LEFT}" x2="{RIGHT}" y1="{ys.at(1.0)}" y2="{ys.at(1.0)}"/>'
    yield f'<text x="{RIGHT}" y="{BOTTOM + 38}" text-anchor="end">{safe(found.x)}</text>'


def _tick(number: float, unit: str, scale: Scale) -> str:
    """A round number, with no more digits than the ticks differ in."""
    if unit == "share":
        places = 0 if scale.high - scale.low > 0.035 else 1
        return f"{100 * number:.{places}f}%"
    words, _, name = told(Value(number, unit)).partition("\N{NO-BREAK SPACE}")
    return f"{words.rstrip('0').rstrip('.') if '.' in words else words} {name}"


def _front(dots: list[Dot], xs: Scale, ys: Scale) -> Iterator[str]:
    places = sorted(
        (xs.at(d.x.number), ys.at(d.y.number)) for d in dots if d.line and d.x.number and d.y.number is not None
    )
    if len(places) > 1:
        yield f'<polyline class="front" points="{" ".join(f"{x},{y}" for x, y in places)}"/>'


def _dot(dot: Dot, xs: Scale, ys: Scale) -> str:
    x, y = xs.at(dot.x.number or 0.0), ys.at(dot.y.number or 0.0)
    name = safe(_aloud(dot))
    reach = ""
    if dot.y.low is not None and dot.y.high is not None:
        reach = f'<line class="reach" x1="0" x2="0" y1="{ys.at(dot.y.low) - y:.2f}" y2="{ys.at(dot.y.high) - y:.2f}"/>'
    return (
        f'<a class="dot {dot.kind}{" line" if dot.line else ""}" href="#{safe(dot.panel)}" aria-label="{name}" '
        f'transform="translate({x} {y})"><title>{name}</title>{_hit(dot)}{reach}'
        f"{mark(dot.kind, _number(dot))}</a>"
    )


def _hit(dot: Dot) -> str:
    """Where a pointer meets the point."""
    return f'<circle class="hit" r="{10 if dot.kind == "rival" else 12}"/>'


def _number(dot: Dot) -> int:
    if dot.kind == "rival":
        return int(dot.panel.rpartition("-")[2])
    return int(dot.line)


def _aloud(dot: Dot) -> str:
    """A point in words; the parts stand on lines of their own in the tip."""
    reach = interval(dot.y)
    cost = told(dot.x) if dot.x.unit == "bytes" else f"time {told(dot.x)}"
    return "; ".join([dot.name, cost, f"quality {told(dot.y)}", *([f"interval {reach}"] if reach else [])])


def _labels(dots: list[Dot], xs: Scale, ys: Scale) -> Iterator[str]:
    """Names beside their points: always of the two models, of rivals where there is room."""
    points = [(xs.at(dot.x.number or 0.0), ys.at(dot.y.number or 0.0)) for dot in dots if _placed(dot)]
    named = sorted((dot for dot in dots if dot.kind != "stop" and _placed(dot)), key=lambda dot: dot.kind == "rival")
    taken: list[Box] = [(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    for dot in named:
        x, y, text = xs.at(dot.x.number or 0.0), ys.at(dot.y.number or 0.0), SHORT.get(dot.kind, dot.name)
        far = 5 if dot.kind == "after" else 0
        places = [(across + far * ((across > 0) - (across < 0)), down, anchor) for across, down, anchor in PLACES]
        boxes = [(place, _box(x, y, place, text)) for place in places]
        free = [one for one in boxes if _inside(one[1]) and not any(_meet(one[1], other) for other in taken)]
        if free or dot.kind in SHORT:
            (across, down, anchor), box = (free or boxes)[0]
            taken.append(box)
            yield (
                f'<text class="label {dot.kind}" x="{x + across:g}" y="{y + down:g}" '
                f'text-anchor="{anchor}">{safe(text)}</text>'
            )


def _placed(dot: Dot) -> bool:
    return bool(dot.x.number) and dot.y.number is not None


def _box(x: float, y: float, place: tuple[int, int, str], text: str) -> Box:
    across, down, anchor = place
    wide = LETTER * len(text)
    left = x + across - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
    return left, y + down - 11, left + wide, y + down + 3


def _inside(box: Box) -> bool:
    return box[0] >= LEFT and box[2] <= WIDE and box[1] >= TOP - 14 and box[3] <= BOTTOM


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
