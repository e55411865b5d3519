"""Look-ups: ids become dims. The rows of a table are its ids, and a merged table holds the rows of many fields."""

from __future__ import annotations

from dataclasses import replace

from recprune.tracing.step import Axes, Step, never

__all__ = ["LOOKUPS", "follow", "operations"]

LOOKUPS = ("aten.embedding.default", "aten._embedding_bag.default", "aten._embedding_bag_forward_only.default")
"""Operations that read rows of a table (first argument) by ids (second argument)."""

operations = LOOKUPS


def follow(step: Step) -> Axes | tuple[Axes, ...]:
    """(…) ids in a (rows, dims) table -> (…, dims), or one row a bag: their sum, mean or largest.

    Which rows can leave is decided when all look-ups are known.
    """
    ids = step.axes_of(1, "indices")
    dims = step.axes_of(0, "weight").pick([1])
    if step.operation != "aten.embedding.default":
        bags = never(step.output[0].shape[:1])
        out = Axes((*bags.labels, *dims.labels), (*bags.zero, True))
        return (out, *(never(t.shape) for t in step.output[1:]))
    out = Axes((*ids.labels, *dims.labels), (*ids.zero, True))
    return replace(out, source=None)
