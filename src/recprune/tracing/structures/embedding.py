"""Look-ups: ids become dims. The rows of a table are its ids, and a merged table holds the rows of many fields."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recprune.tracing.step import Axes, Step, never

__all__ = ["LOOKUPS", "follow", "operations", "picked_rows", "taken"]

LOOKUPS = ("aten.embedding.default", "aten._embedding_bag.default", "aten._embedding_bag_forward_only.default")
"""Operations that read rows of a table (first argument) by ids (second argument)."""

STORED = ".stored."
"""In the names of the parts of weights that are stored as codes: the mean of rows of codes is no code of the mean."""

operations = LOOKUPS


def follow(step: Step) -> Axes | tuple[Axes, ...]:
    """(…) ids in a (rows, dims) table -> (…, dims), or one row a bag: their sum, mean or largest.

    Which rows can leave is decided when all look-ups are known.
    """
    if step.operation == "aten.embedding.default":
        return taken(step, step.axes_of(1, "indices"))
    dims = step.axes_of(0, "weight").pick([1])
    bags = never(step.output[0].shape[:1])
    out = Axes((*bags.labels, *dims.labels), (*bags.zero, True))
    return (out, *(never(t.shape) for t in step.output[1:]))


def taken(step: Step, ids: Axes) -> Axes:
    """(…) ids in a (rows, …) tensor, the first argument -> (…, …): rows in the places of their ids."""
    table = step.axes_of(0)
    dims = table.pick(range(1, len(table.labels)))
    out = Axes((*ids.labels, *dims.labels), (*ids.zero, *(True for _ in dims.labels)))
    return replace(out, source=None)


def picked_rows(step: Step) -> Tensor | None:
    """The ids by which a look-up reads rows of a parameter or buffer, its first argument: that of nn.Embedding, and
    `weight[ids]` and `index_select(0, ids)` where the ids come from an input. None for any other operation, and for
    codes (`STORED`)."""
    if step.operation in LOOKUPS:
        ids: Tensor = step.arg(1, "indices")
        return ids
    name = step.name_of(step.args[0]) if step.args and isinstance(step.args[0], Tensor) else None
    if name is None or STORED in f".{name}":
        return None
    if step.operation == "aten.index.Tensor":
        indices = list(step.arg(1, "indices"))
        found = indices[0] if len(indices) == 1 else None
    elif step.operation == "aten.index_select.default" and int(step.arg(1, "dim", 0)) == 0:
        found = step.arg(2, "index")
    else:
        return None
    if not isinstance(found, Tensor) or found.dtype not in (torch.int64, torch.int32):
        return None
    return found if step.name_of(found) is None and step.look(found).source is not None else None
