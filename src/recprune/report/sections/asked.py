"""What was asked, whether it was met, and the few numbers to look at first."""

from __future__ import annotations

from collections.abc import Iterator

from recprune.evaluation import words
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.formulas import LOWER_IS_BETTER
from recprune.evaluation.size import size_of
from recprune.evaluation.speed import ratio
from recprune.report.blocks import Block, Section, Tile, Tiles, Value, Words
from recprune.report.found import Found
from recprune.report.lacking import no_comparison
from recprune.report.told import signed, told

__all__ = ["asked", "met", "title"]
PLACE = 0


def asked(found: Found) -> Section:
    """Tiles, and the verdict in words; the sentence of what was asked stands above all sections."""
    blocks: list[Block] = [Tiles(_tiles(found))]
    comparison = found.comparison
    if comparison is None:
        blocks.append(no_comparison(found, "Quality and milliseconds"))
    else:
        blocks.append(Words(signed(f"{comparison.sentence(comparison.headline)}.")))
        if comparison.seeds:
            told = "Quality and milliseconds are means over the seeds; plan, bytes, lists and groups are those of"
            blocks.append(Words(f"{told} {found.places.small}.", soft=True))
        blocks += [Words(text) for text in (*list(words.gains(comparison))[1:], *_rivals(comparison))]
    return Section("asked", "At a glance", tuple(blocks))


def title(found: Found) -> str:
    """What to call the report: "ease, 84.9% smaller"."""
    before, after = (size_of(one.model)[2] for one in (found.whole, found.small))
    gone = 1 - after / max(before, 1)
    name = str(found.said["small"]["model"]).rpartition(":")[2]
    return f"{name}, {abs(gone):.1%} {'smaller' if gone >= 0 else 'larger'}"


def sentence(found: Found) -> str:
    """What was asked and what came, in words, and what that did to quality."""
    told_, holds = met(found)
    answer = {True: "Met: ", False: "Not met: ", None: ""}[holds]
    return " ".join([f"{answer}{told_}", *_change(found)])


SAYS = {"open": "not told apart", "not tested": "not tested"}


def _change(found: Found) -> Iterator[str]:
    """The headline before and after."""
    if found.comparison is not None:
        one = found.comparison.difference(found.comparison.headline)
        sides = (found.comparison.before, found.comparison.after)
        before, after = (told(Value(side.metrics[one.metric], "metric")) for side in sides)
        yield f"{one.metric} went from {before} to {after}: {SAYS.get(one.verdict, one.verdict)}."


def met(found: Found) -> tuple[str, bool | None]:
    """What was asked and what came; whether it was met, None where that cannot be told."""
    if found.plan is None:
        return f"What was asked is not known, for {found.no_plan}.", None
    budget = found.plan.budget
    if budget.factor is not None:
        left, wanted = found.plan.account().share_removed, told(Value(budget.factor, "share"))
        return f"{wanted} of the parameters were to leave, {told(Value(left, 'share'))} left.", found.plan.meets(budget)
    if budget.bytes is not None:
        size = int(found.said["small"]["bytes_of"]["weights"])
        return f"{budget.bytes:,} bytes were allowed, the weights file takes {size:,}.", size <= budget.bytes
    return _measured(found)


def _measured(found: Found) -> tuple[str, bool | None]:
    """A budget of milliseconds, or of what may be lost."""
    budget, comparison = found.plan.budget if found.plan else None, found.comparison
    if budget is None or comparison is None:
        return (
            f"Asked was {budget.amount if budget else '?'}; without a comparison nobody knows whether it holds.",
            None,
        )
    if budget.max_drop is None:
        return _timed(comparison, budget.milliseconds or 0.0, budget.rows)
    metric, allowed = budget.max_drop.metric, budget.max_drop.share
    before, after = comparison.before.metrics.get(metric), comparison.after.metrics.get(metric)
    if not before or after is None:
        return f"Asked was {budget.amount}; the comparison does not hold {metric}.", None
    lost = (before - after) / abs(before) * (-1 if metric in LOWER_IS_BETTER else 1)
    said = f"{metric} was allowed to lose {told(Value(allowed, 'share'))} of its value on validation"
    change = "lost" if lost >= 0 else "gained"
    return f"{said}, and on {comparison.part} it {change} {told(Value(abs(lost), 'share'))}.", lost <= allowed


def _timed(comparison: Comparison, allowed: float, rows: int) -> tuple[str, bool | None]:
    speeds = (comparison.after.request, comparison.after.thousand)
    speed = next((one for one in speeds if one is not None and one.rows == rows), None)
    said = f"{told(Value(allowed, 'ms'))} were allowed for {rows:,} {comparison.unit}{'s' if rows != 1 else ''}"
    if speed is None:
        return f"{said}; the comparison did not time that.", None
    return f"{said}, the comparison measured {told(Value(speed.median, 'ms'))}.", speed.median <= allowed


def _tiles(found: Found) -> tuple[Tile, ...]:
    (p, q, size), (small_p, small_q, small_size) = size_of(found.whole.model), size_of(found.small.model)
    tiles = [_fewer("bytes", size, small_size, "bytes"), _fewer("parameters", p + q, small_p + small_q, "count")]
    if found.comparison is not None:
        tiles += [*_speed(found.comparison), _quality(found.comparison)]
    return tuple(tiles)


def _fewer(name: str, before: int, after: int, unit: str) -> Tile:
    shift = Value(after / before - 1, "shift") if before else Value(None, "shift")
    return Tile(name, Value(before, unit), Value(after, unit), told(shift), "good" if after < before else "plain")


def _speed(found: Comparison) -> list[Tile]:
    before, after = found.before.request, found.after.request
    if before is None or after is None:
        return []
    values = Value(before.median, "ms"), Value(after.median, "ms")
    if len(before.samples) != len(after.samples):
        return [Tile("a request", *values, f"{told(Value(before.median / after.median, 'times'))} as fast")]
    times, low, high = ratio(before, after)
    tone = "good" if low > 1 else "bad" if high < 1 else "plain"
    return [Tile("a request", *values, f"{told(Value(times, 'times'))} as fast", tone)]


SAID = {"better": "better than", "equal": "equal to", "open": "not told apart from", "worse": "worse than"}
"""How verdicts on rivals are told, in this order."""


def _rivals(found: Comparison) -> Iterator[str]:
    """All rivals in one sentence; none without rivals."""
    told = []
    for verdict, words_ in SAID.items():
        names = [name for name, one in found.against.items() if one.verdict == verdict and name in found.rivals]
        told += [f"{words_} {', '.join(f'“{name}”' for name in names)}"] if names else []
    if told:
        yield f"Beside its rivals, in {found.headline}, the smaller model is {'; '.join(told)}."


TONES = {"better": "good", "equal": "good", "worse": "bad"}


def _quality(found: Comparison) -> Tile:
    one = found.difference(found.headline)
    before, after = (side.metrics[one.metric] for side in (found.before, found.after))
    note = "not told apart" if one.verdict == "open" else one.verdict
    tone = TONES.get(one.verdict, "plain")
    return Tile(one.metric, Value(before, "metric"), Value(after, "metric"), note, tone)
