"""Quality against bytes and milliseconds: the two models, their rivals, and the stops between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recprune.evaluation.comparison import Comparison
from recprune.evaluation.formulas import LOWER_IS_BETTER
from recprune.recipe.frontier import Frontier
from recprune.report.blocks import Block, Cell, Chart, Dot, Section, Table, Value, Words
from recprune.report.found import Found
from recprune.report.lacking import no_comparison, no_frontier
from recprune.report.panels import of_models, of_stops

__all__ = ["frontier"]
PLACE = 2


def frontier(found: Found) -> Section:
    """Two charts, what a click on a point shows, and all points as a table."""
    metric = _metric(found)
    if metric is None:
        blocks: tuple[Block, ...] = (no_comparison(found, "Quality against bytes"), no_frontier(found))
        return Section("frontier", "Quality against cost", blocks)
    by_bytes, by_time = _dots(found, metric, time=False), _dots(found, metric, time=True)
    down = metric in LOWER_IS_BETTER
    y = f"{metric}, % of the large model’s{' (lower is better)' if down else ''}"
    charts = [Chart("Quality against bytes", "bytes of all tensors, log scale", y, True, down, by_bytes)]
    if by_time:
        x = "time of a request, % of the large model’s"
        charts.append(Chart("Quality against time", x, y, False, down, by_time))
    blocks = (
        Words(_read(found, metric), soft=True),
        *charts,
        *of_models(found, metric),
        *of_stops(found),
        _table(by_bytes, by_time, metric),
        *(() if found.frontier else (no_frontier(found),)),
    )
    return Section("frontier", "Quality against cost", blocks)


def _metric(found: Found) -> str | None:
    """The metric to draw, None where there is nothing to draw."""
    if found.comparison is not None and found.comparison.before.metrics[found.comparison.headline]:
        return found.comparison.headline
    if found.frontier is not None and found.frontier.points[0].metrics.get(found.frontier.metric):
        return found.frontier.metric
    return None


def _read(found: Found, metric: str) -> str:
    """How to read the charts."""
    told = "Up and to the left is better. "
    if found.comparison is not None:
        told += f"Filled marks were judged on {found.comparison.part}; whiskers are intervals of the difference. "
    if found.frontier is not None:
        told += (
            "Rings are stops of the frontier, judged on validation, each beside the large model on the same part and "
            f"in the same run; the line joins those that no other stop beats. All values of {metric} are shares of the "
            "large model’s, so that the two parts can stand in one chart. "
        )
    return told + "Choose a point to see what it is and which plan made it."


def _dots(found: Found, metric: str, *, time: bool) -> tuple[Dot, ...]:
    """The points of one chart; none where nothing was timed."""
    models = () if found.comparison is None else tuple(_models(found.comparison, metric, time))
    curve = found.frontier
    stops = () if curve is None or not curve.points[0].metrics.get(metric) else _stops(curve, metric, time)
    return (*stops, *models)


def _models(found: Comparison, metric: str, time: bool) -> Iterator[Dot]:
    base = found.before.metrics[metric] or 1.0
    number = 0
    for name, side in found.sides.items():
        value, kind = side.metrics[metric], name if name in ("before", "after") else "rival"
        number += kind == "rival"
        if value is None or (time and (side.request is None or found.before.request is None)):
            continue
        x = Value(side.bytes, "bytes")
        if time and side.request is not None and found.before.request is not None:
            x = Value(side.request.median / found.before.request.median, "share")
        low = high = None
        if kind != "before":
            one = found.difference(metric, name)
            if one.low is not None and one.high is not None:
                low, high = 1 + one.low / base, 1 + one.high / base
        title = {"before": "the larger model", "after": "the smaller model"}.get(name, name)
        panel = f"model-{kind}" if kind != "rival" else f"model-rival-{number}"
        yield Dot(title, kind, x, Value(value / base, "share", low, high), panel)


def _stops(curve: Frontier, metric: str, time: bool) -> tuple[Dot, ...]:
    dense = curve.points[0]
    base = dense.metrics[metric] or 1.0
    made = []
    for number, point in enumerate(curve.points):
        value = point.metrics.get(metric)
        if value is None:
            continue
        x = Value(point.request / dense.request, "share") if time else Value(point.bytes, "bytes")
        made.append((point, Dot(point.name, "stop", x, Value(value / base, "share"), f"stop-{number}")))
    front = _front([dot for _, dot in made], metric) if time else [point.front for point, _ in made]
    return tuple(
        Dot(dot.name, dot.kind, dot.x, dot.y, dot.panel, line) for (_, dot), line in zip(made, front, strict=True)
    )


def _front(dots: Sequence[Dot], metric: str) -> list[bool]:
    """Which dots no other one beats: none is as good at less cost, none better at as little."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    keys = [(sign * (dot.y.number or 0.0), -(dot.x.number or 0.0)) for dot in dots]
    return [not any(a >= y and b >= x and (a, b) != (y, x) for a, b in keys) for y, x in keys]


def _table(by_bytes: Sequence[Dot], by_time: Sequence[Dot], metric: str) -> Table:
    times = {dot.panel: dot.x for dot in by_time}
    rows: list[tuple[Cell, ...]] = [
        (dot.name, "validation" if dot.kind == "stop" else "test", dot.x, times.get(dot.panel, ""), dot.y)
        for dot in by_bytes
    ]
    columns = ("model", "judged on", "bytes", "time", metric)
    return Table(f"Every point as a table ({len(rows)})", columns, tuple(rows), folded=True)
