"""Before and after: sizes, milliseconds and quality with intervals; the rivals of the same size."""

from __future__ import annotations

from recprune.artifact.speeds import Speeds
from recprune.evaluation.comparison import Comparison, Side
from recprune.evaluation.speed import Speed, ratio
from recprune.recipe.prove import NOT_ASKED
from recprune.report.blocks import Block, Cell, Missing, Section, Table, Value, Words
from recprune.report.found import Found
from recprune.report.lacking import no_comparison

__all__ = ["numbers"]
PLACE = 1


def numbers(found: Found) -> Section:
    """A table of the two models, one of the rivals, and what every metric means."""
    comparison = found.comparison
    if comparison is None:
        missing = no_comparison(found, "Quality and milliseconds, before and after")
        return Section("numbers", "Before and after", (missing,))
    served = _served(found.whole.speeds, found.small.speeds)
    blocks: list[Block] = [Words(_cases(comparison), soft=True), _models(comparison, served)]
    if comparison.rivals:
        blocks.append(_rivals(comparison))
    how = found.command("compare", found.places.big, found.places.small, "--rivals")
    blocks += [
        Missing(f"The rival {name}", why, how if why == NOT_ASKED else "") for name, why in comparison.without.items()
    ]
    formulas = tuple((name, text) for name, text in comparison.formulas.items())
    blocks.append(Table("What every metric means", ("metric", "formula"), formulas, folded=True))
    return Section("numbers", "Before and after", tuple(blocks))


def _cases(found: Comparison) -> str:
    seeds = f", mean of {len(found.seeds)} seeds ({', '.join(map(str, found.seeds))})" if found.seeds else ""
    left = "; ".join(f"{n:,} {why}" for why, n in found.left_out.items() if n)
    counted = f" Not counted: {left}." if left else ""
    return (
        f"Judged on the {found.part} part, the same {found.cases:,} {found.unit}s for all models{seeds}. Intervals are "
        f"paired, {found.level:.0%}: each {found.unit} is judged by both models.{counted}"
    )


def _models(found: Comparison, served: list[tuple[Cell, ...]]) -> Table:
    before, after = found.before, found.after
    sizes = {
        "features P": (before.features, after.features, "count"),
        "network Q": (before.network, after.network, "count"),
        "parameters P + Q": (before.parameters, after.parameters, "count"),
        "bytes of all tensors": (before.bytes, after.bytes, "bytes"),
    }
    rows = [_size(name, *values) for name, values in sizes.items()]
    rows += _speeds("a request", found, before.request, after.request)
    if before.thousand is not None:
        rows += _speeds(f"{before.thousand.rows:,} {found.unit}s", found, before.thousand, after.thousand)
    rows += served
    metrics = [_metric(found, name) for name in before.metrics]
    strong = tuple(len(rows) + i for i, row in enumerate(metrics) if row[0] == found.headline)
    columns = ("", "before", "after", "difference", "verdict")
    return Table("The larger model and the smaller one", columns, (*rows, *metrics), strong=strong)


def _size(name: str, before: int, after: int, unit: str) -> tuple[Cell, ...]:
    shift = Value(after / before - 1 if before else None, "shift")
    return name, Value(before, unit), Value(after, unit), shift, ""


def _speeds(name: str, found: Comparison, before: Speed | None, after: Speed | None) -> list[tuple[Cell, ...]]:
    if before is None or after is None:
        return []
    times = Value(before.median / after.median, "times")
    if len(before.samples) == len(after.samples):
        times = Value(ratio(before, after)[0], "times", *ratio(before, after)[1:])
    threads = f"as fast, {before.threads} thread{'s' if before.threads != 1 else ''}"
    cells = (Value(one.median, "ms", one.low, one.high) for one in (before, after))
    return [(f"milliseconds, {name}", *cells, times, threads)]


def _served(before: Speeds | None, after: Speeds | None) -> list[tuple[Cell, ...]]:
    """A line a size of call that was timed of both models, each by the runtime that serves it."""
    if before is None or after is None or before.machine != after.machine:
        return []
    rows: list[tuple[Cell, ...]] = []
    for size in sorted(before.use.keys() & after.use.keys()):
        ways = [(one.use[size], one.took[size][one.use[size]]) for one in (before, after)]
        cells = (Value(took.median, "ms", took.low, took.high) for _, took in ways)
        times = Value(ways[0][1].median / ways[1][1].median if ways[1][1].median else None, "times")
        name = "a request" if size == 1 else f"a call of {size:,}"
        rows.append((f"milliseconds as served, {name}", *cells, times, f"as fast; {ways[0][0]}, then {ways[1][0]}"))
    return rows


def _metric(found: Comparison, name: str) -> tuple[Cell, ...]:
    one = found.difference(name)
    before, after = (Value(side.metrics[name], "metric") for side in (found.before, found.after))
    if one.value is None:
        return name, before, after, Value(None, "change"), found.why.get(name, "says nothing")
    margin = f" (within {one.margin:.4f})" if one.verdict == "equal" and one.margin is not None else ""
    verdict = "not told apart" if one.verdict == "open" else one.verdict
    return name, before, after, Value(one.value, "change", one.low, one.high), f"{verdict}{margin}"


def _rivals(found: Comparison) -> Table:
    metric = found.headline
    rows = [_rival(found, name, side) for name, side in found.sides.items()]
    columns = ("model", "P", "Q", "bytes", "a request", metric, "difference", "the smaller is")
    return Table(
        "Beside its rivals, judged and timed alike (P: parameters of features, Q: of the network)",
        columns,
        tuple(rows),
        strong=(1,),
    )


SAID = {"open": "not told apart", "equal": "equal to it", "better": "better", "worse": "worse"}


def _rival(found: Comparison, name: str, side: Side) -> tuple[Cell, ...]:
    speed = Value(None if side.request is None else side.request.median, "ms")
    against = found.against.get(name)
    change = Value(None, "change")
    if name != "before":
        one = found.difference(found.headline, name)
        change = Value(one.value, "change", one.low, one.high)
    return (
        {"before": "the larger model", "after": "the smaller model"}.get(name, name),
        Value(side.features, "count"),
        Value(side.network, "count"),
        Value(side.bytes, "bytes"),
        speed,
        Value(side.metrics[found.headline], "metric"),
        change,
        "" if against is None else SAID.get(against.verdict, against.verdict),
    )
