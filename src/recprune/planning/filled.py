"""filled(): bytes that a plan leaves over are spent on bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from recprune.encodings.spelled import spelled
from recprune.planning.choose import paying
from recprune.planning.plan import Plan
from recprune.planning.step import Step

__all__ = ["filled"]


def filled(plan: Plan, steps: Sequence[Step]) -> Plan:
    """The plan with as many of the steps taken back as its budget in bytes has room for, the dearest a byte first.

    Steps are large, so that a plan that takes them one after the other stays below its budget: here the last step of a
    tensor that costs most a byte is taken back where the plan still meets the budget, then the next, until none can be;
    one that costs nothing is not. Of an encoding with groups (`product_rows(m=8)`) it is taken back in part, by as many
    groups more as there is room for. What leaves stays out. A step before that would make what is left of a tensor no
    smaller leaves it as floats.
    """
    while True:
        found = next(_nearer(plan, steps), None)
        if found is None:
            return plan
        plan = found


def _nearer(plan: Plan, steps: Sequence[Step]) -> Iterator[Plan]:
    """The plan with one step less, where that meets the budget."""
    last = [step for step in steps if plan.encodings.get(step.tensor) == step.encoding and step.rise > 0]
    for step in sorted(last, key=lambda s: (-s.price, s.tensor)):
        mine = [one.encoding for one in steps if one.tensor == step.tensor]
        before = mine[mine.index(step.encoding) - 1] if step.encoding != mine[0] else ""
        for encoding in [before, *_between(step.encoding, plan.survey.shapes[step.tensor][1])]:
            rest = {tensor: text for tensor, text in plan.encodings.items() if tensor != step.tensor}
            nearer = paying(replace(plan, encodings={**rest, step.tensor: encoding} if encoding else rest))
            if nearer.meets(plan.budget):
                yield nearer


def _between(less: str, columns: int) -> list[str]:
    """The encoding with more groups, most first, where it has groups."""
    few = spelled(less)
    groups = few.options.get("m")
    if groups is None:
        return []
    return [str(replace(few, options={**few.options, "m": m})) for m in range(columns, groups, -1)]
