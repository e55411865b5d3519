"""Operations that move, add, drop or repeat axes without touching a number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = (
    "aten.t.default",
    "aten.transpose.int",
    "aten.permute.default",
    "aten.transpose_.default",
    "aten.t_.default",
    "aten.unsqueeze.default",
    "aten.unsqueeze_.default",
    "aten.squeeze.default",
    "aten.squeeze.dim",
    "aten.squeeze_.default",
    "aten.squeeze_.dim",
    "aten.squeeze.dims",
    "aten.expand.default",
    "aten.repeat.default",
    "aten.roll.default",
)


def follow(step: Step) -> Axes:
    """One small function an operation."""
    axes, name = step.axes_of(0), step.operation.split(".")[1].rstrip("_")
    if name == "unsqueeze":
        return _unsqueeze(axes, int(step.arg(1, "dim")) % (len(axes.labels) + 1))
    if name == "squeeze":
        return _squeeze(step, axes)
    if name == "expand":
        return _expand(step, axes)
    if name == "repeat":
        return _repeat(axes, [int(n) for n in step.arg(1, "repeats")])
    if name == "roll":
        for d in step.dims(2, "dims"):
            step.freeze(axes.labels[d], "units change their places")
        return replace(axes, source=None)
    plain = axes.source if axes.source is not None and axes.source.dim is None else None
    return replace(axes.pick(_order(step, name, len(axes.labels))), source=plain)


def _order(step: Step, name: str, rank: int) -> list[int]:
    order = list(range(rank))
    if name == "permute":
        return [d % rank for d in step.arg(1, "dims")]
    first, second = (0, rank - 1) if name == "t" else (step.arg(1, "dim0") % rank, step.arg(2, "dim1") % rank)
    order[first], order[second] = order[second], order[first]
    return order


def _unsqueeze(axes: Axes, dim: int) -> Axes:
    one = never([1])
    labels, zero = list(axes.labels), list(axes.zero)
    labels.insert(dim, one.labels[0])
    zero.insert(dim, True)
    source = axes.source
    if source is not None and source.dim is not None:
        source = replace(source, dim=source.dim + (dim <= source.dim))
    return Axes(tuple(labels), tuple(zero), source)


def _squeeze(step: Step, axes: Axes) -> Axes:
    dims = step.dims(1) if len(step.args) > 1 or "dim" in step.kwargs else range(len(axes.labels))
    gone = [d for d in dims if len(axes.labels[d]) == 1]
    for d in gone:
        step.freeze(axes.labels[d], "an axis of width 1 is squeezed away")
    source = axes.source if axes.source is None or axes.source.dim is None else None
    return replace(axes.without(gone), source=source)


def _expand(step: Step, axes: Axes) -> Axes:
    shape = step.output.shape
    extra = len(shape) - len(axes.labels)
    labels, zero = list(never(shape[:extra]).labels), [True] * extra
    for own, size in zip(range(len(axes.labels)), shape[extra:], strict=True):
        if len(axes.labels[own]) == size:
            labels.append(axes.labels[own])
            zero.append(axes.zero[own])
        else:
            step.freeze(axes.labels[own], "an axis of width 1 is stretched")
            first = not labels  # batches have no units
            labels.append(never([size]).labels[0] if first else step.ledger.fresh("stretched", "stretched", size))
            zero.append(first)
    return Axes(tuple(labels), tuple(zero))


def _repeat(axes: Axes, times: list[int]) -> Axes:
    """An axis n times in a row: a unit that leaves takes n positions."""
    extra = len(times) - len(axes.labels)
    new = never(times[:extra])
    labels = [np.tile(old, n) for old, n in zip(axes.labels, times[extra:], strict=True)]
    return Axes((*new.labels, *labels), (*new.zero, *axes.zero))
