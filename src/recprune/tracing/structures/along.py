"""Picking from and writing into one axis, place by place: the other axes of all tensors meet."""

from __future__ import annotations

from torch import Tensor

from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = (
    "aten.gather.default",
    *(f"aten.scatter{end}.{kind}" for end in ("", "_") for kind in ("src", "value", "reduce", "value_reduce")),
    *(f"aten.scatter_add{end}.default" for end in ("", "_")),
    *(f"aten.scatter_reduce{end}.two" for end in ("", "_")),
)


def follow(step: Step) -> Axes:
    """gather: out[i, j, k] = x[i, index[i, j, k], k] for dim 1; scatter is its inverse."""
    axes, index = step.axes_of(0), step.axes_of(2, "index")
    if not axes.labels:
        return never(step.output.shape)
    dim = int(step.arg(1, "dim")) % len(axes.labels)
    source = step.arg(3, "src")
    others = [index, *([step.look(source)] if isinstance(source, Tensor) and source.dim() else [])]
    for part in (axes, *others):
        step.freeze(part.labels[dim], "units are picked by their position")
    gather = step.operation.startswith("aten.gather")
    labels, zero = list(axes.labels), list(axes.zero)
    for d in range(len(labels)):
        if d == dim:
            labels[d], zero[d] = never([step.output.shape[d]]).labels[0], True
            continue
        for part in others:
            if len(part.labels[d]) == len(axes.labels[d]):
                step.merge(labels[d], part.labels[d])
            else:
                _by_place(step, axes, part, d)
        labels[d] = labels[d] if len(labels[d]) == step.output.shape[d] else never([step.output.shape[d]]).labels[0]
        zero[d] = zero[d] and (gather or (len(others) > 1 and others[1].zero[d] and "reduce" not in step.operation))
    return Axes(tuple(labels), tuple(zero))


def _by_place(step: Step, axes: Axes, part: Axes, d: int) -> None:
    """An axis of which only the first places are taken."""
    for labels in (axes.labels[d], part.labels[d]):
        step.freeze(labels, "units are picked by their position")
