"""Writing into rows: the axis that is written into stays whole, the others meet."""

from __future__ import annotations

from torch import Tensor

from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = (
    "aten.index_add.default",
    "aten.index_add_.default",
    "aten.index_put.default",
    "aten.index_put_.default",
)


def follow(step: Step) -> Axes:
    """index_add: rows of source are added to rows of self; index_put: values take the place of rows of self."""
    axes = step.axes_of(0)
    if "index_add" in step.operation:
        dim = int(step.arg(1, "dim")) % len(axes.labels)
        return _met(step, axes, step.axes_of(3, "source"), [dim])
    indices, values = list(step.arg(1, "indices")), step.arg(2, "values")
    picked = [d for d, index in enumerate(indices) if isinstance(index, Tensor)]
    if (
        picked != list(range(len(picked)))
        or not picked
        or values.dim() != _taken(indices, picked) + _rest(axes, picked)
    ):
        return _whole(step, axes)
    inner = step.look(values).pick(range(values.dim() - _rest(axes, picked), values.dim()))
    front = never(values.shape[: len(picked)])
    return _met(step, axes, Axes((*front.labels, *inner.labels), (*front.zero, *inner.zero)), picked)


def _taken(indices: list[Tensor], picked: list[int]) -> int:
    """Axes that the indices make: a mask makes one of all that it covers."""
    return max(1 if indices[d].dtype.itemsize == 1 else indices[d].dim() for d in picked)


def _rest(axes: Axes, picked: list[int]) -> int:
    return len(axes.labels) - len(picked)


def _met(step: Step, axes: Axes, other: Axes, whole: list[int]) -> Axes:
    labels, zero = list(axes.labels), list(axes.zero)
    for d, there in enumerate(other.labels):
        if d in whole:
            step.freeze(labels[d], "rows are written by their position")
            step.freeze(there, "rows are written by their position")
            zero[d] = False
        elif not step.ledger.live(labels[d]) and axes.zero[d] and len(there) == len(labels[d]):
            labels[d], zero[d] = there, other.zero[d]  # written into zeros that were made for it
        elif len(there) == len(labels[d]):
            labels[d] = step.merge(labels[d], there)
            zero[d] = zero[d] and other.zero[d]
        else:
            step.freeze(labels[d], "an axis of width 1 is stretched")
            step.freeze(there, "an axis of width 1 is stretched")
            zero[d] = False
    return Axes(tuple(labels), tuple(zero))


def _whole(step: Step, axes: Axes) -> Axes:
    for labels in (*axes.labels, *step.axes_of(2, "values").labels):
        step.freeze(labels, "numbers are written by their position")
    return never(step.output.shape)
