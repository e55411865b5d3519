"""A comparison in plain words: better, equal or worse; smaller, faster; what rivals make of it; who lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recprune.evaluation.formulas import LOWER_IS_BETTER
from recprune.evaluation.speed import ratio

if TYPE_CHECKING:
    from recprune.evaluation.comparison import Comparison, Difference

__all__ = ["gains", "losses", "rivals", "sentence"]


def sentence(found: Comparison, one: Difference, model: str) -> str:
    """A metric of a model beside that of the one before, and what is sure of it."""
    before, after = found.before.metrics[one.metric], found.sides[model].metrics[one.metric]
    if before is None or after is None or one.value is None:
        return f"{one.metric} says nothing: {found.why.get(one.metric, 'no number')}"
    told = f"{before:.4f} → {after:.4f} ({one.value:+.4f}"
    seeds = f" over {len(found.seeds)} seeds" if found.seeds else ""
    if one.low is None or one.high is None:
        return f"{one.metric}: {told}{seeds}, not tested)"
    verdict = f"{_verdict(found, one)}{seeds}"
    return f"{one.metric}: {verdict}, {told}, {found.level:.0%} interval {one.low:+.4f} to {one.high:+.4f})"


def gains(found: Comparison) -> Iterator[str]:
    """Bytes and parameters that are gone, and the time of a request."""
    before, after = found.before, found.after
    gone, fewer = 1 - after.bytes / max(before.bytes, 1), 1 - after.parameters / max(before.parameters, 1)
    yield f"{gone:.1%} of the bytes and {fewer:.1%} of the parameters are gone."
    if before.request and after.request:
        times, low, high = ratio(before.request, after.request)
        yield f"A request in torch is {times:.2f} times as fast (8 of 10 repeats: {low:.2f} to {high:.2f})."


def rivals(found: Comparison) -> str:
    """Every rival's headline and bytes, and whether the pruned model is better than it; empty without rivals."""
    metric, told = found.headline, []
    for name, side in found.rivals.items():
        value, one = side.metrics[metric], found.against.get(name)
        judged = f", the pruned model is {_SAID.get(one.verdict, one.verdict)}" if one is not None else ""
        told.append(f"{name} {'-' if value is None else format(value, '.4f')} at {side.bytes:,} bytes{judged}")
    return f"Rivals, {metric}: {'; '.join(told)}." if told else ""


def losses(found: Comparison) -> Iterator[str]:
    """Which items and ids lost, which a mean over users or rows does not show."""
    metrics = found.before.metrics
    for name in (n for n in metrics if n.startswith(("coverage@", "tail_recall@")) and metrics[n] is not None):
        yield sentence(found, found.difference(name), "after") + "."
    if found.after.reach is not None:
        yield from _unreached(found)
    for column, cases in found.after.fallen.items():
        if cases:
            share = cases / max(found.cases, 1)
            yield f"{share:.1%} of the {found.cases:,} {found.unit}s hold an id of {column} that left."


_SAID = {"equal": "equal to it", "open": "not told apart from it", "not tested": "not tested against it"}


def _unreached(found: Comparison) -> Iterator[str]:
    before, after = found.before.reach, found.after.reach
    if before is None or after is None:
        return
    share = after.unreachable_pairs / max(after.pairs, 1)
    part = {"valid": "validation"}.get(found.part, found.part)
    yield (
        f"Of {after.items:,} {part} items {after.unreachable:,} can no longer be recommended to anybody "
        f"({share:.1%} of the {part} pairs; before {before.unreachable:,}), and {after.unlisted:,} stand in nobody's "
        f"list (before {before.unlisted:,})."
    )


def _verdict(found: Comparison, one: Difference) -> str:
    lower = " (lower is better)" if one.metric in LOWER_IS_BETTER else ""
    if one.verdict == "equal":
        before, after = found.before.metrics[one.metric], found.after.metrics[one.metric]
        if not before and not after:
            return "0 in both"
        return f"equal within {one.margin:.4f} at {found.level:.0%} confidence"
    if one.verdict == "open":
        return f"not told apart, nor shown equal within {one.margin:.4f}"
    return f"{one.verdict}{lower} at {found.level:.0%} confidence"
