"""Look-ups: ids become dims. The rows of a table are its ids, and a merged table holds the rows of many fields."""

from __future__ import annotations

from dataclasses import replace

from recprune.tracing.step import Axes, Step

__all__ = ["LOOKUPS", "follow", "operations"]

LOOKUPS = ("aten.embedding.default",)
"""Operations that read rows of a table (first argument) by ids (second argument)."""

operations = LOOKUPS


def follow(step: Step) -> Axes:
    """(…) ids in a (rows, dims) table -> (…, dims). Which rows can leave is decided when all look-ups are known."""
    ids = step.axes_of(1, "indices")
    dims = step.axes_of(0, "weight").pick([1])
    out = Axes((*ids.labels, *dims.labels), (*ids.zero, True))
    return replace(out, source=None)
