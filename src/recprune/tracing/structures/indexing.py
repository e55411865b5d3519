"""Picking by an index tensor: the axis that is picked from stays whole, the others go on."""

from __future__ import annotations

import torch
from torch import Tensor

from recprune.tracing.step import Axes, Step, never
from recprune.tracing.structures.embedding import picked_rows, taken

__all__ = ["follow", "operations"]

operations = ("aten.index.Tensor", "aten.take.default")


def follow(step: Step) -> Axes:
    """x[..., index, ...]: the axes of the index take the place of those that it picks from."""
    ids = picked_rows(step)
    if ids is not None:
        return taken(step, step.look(ids))
    axes = step.axes_of(0)
    if step.operation != "aten.index.Tensor":
        return _whole(step, axes)
    indices = list(step.arg(1, "indices"))
    picked = [d for d, index in enumerate(indices) if isinstance(index, Tensor)]
    if any(indices[d].dtype.is_floating_point or indices[d].dim() == 0 for d in picked):
        return _whole(step, axes)
    together = picked == list(range(picked[0], picked[-1] + 1))
    masks = [d for d in picked if indices[d].dtype in (torch.bool, torch.uint8)]
    if not together or (masks and len(picked) > 1):
        return _whole(step, axes)
    for d in picked:
        for labels in step.look(indices[d]).labels:
            step.freeze(labels, "an index cannot lose positions")
    width = indices[masks[0]].dim() if masks else len(picked)  # a mask picks from as many axes as it has
    before, after = list(range(picked[0])), list(range(picked[0] + width, len(axes.labels)))
    for d in range(picked[0], picked[0] + width):
        step.freeze(axes.labels[d], "units are picked by their position")
    wide = len(step.output.shape) - len(before) - len(after)
    middle = never(step.output.shape[len(before) : len(before) + wide])
    front, back = axes.pick(before), axes.pick(after)
    return Axes(
        (*front.labels, *middle.labels, *back.labels),
        (*front.zero, *middle.zero, *back.zero),
    )


def _whole(step: Step, axes: Axes) -> Axes:
    for labels in axes.labels:
        step.freeze(labels, "units are picked by their position")
    return never(step.output.shape)
