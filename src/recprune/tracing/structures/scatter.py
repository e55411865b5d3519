"""Writing into rows: the axes that are written into by position stay whole, the others meet."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = (
    *(f"aten.{name}.default" for name in ("index_add", "index_add_", "index_copy", "index_copy_")),
    *(f"aten.{name}" for name in ("index_fill.int_Scalar", "index_fill_.int_Scalar")),
    *(f"aten.{name}.default" for name in ("index_put", "index_put_")),
)

_PICKED = "rows are written by their position"


def follow(step: Step) -> Axes:
    """index_add and the like: rows of source meet rows of self; index_put: values take the place of rows of self."""
    axes = step.axes_of(0)
    name = step.operation.split(".")[1].rstrip("_")
    if name == "index_put":
        return _put(step, axes)
    dim = int(step.arg(1, "dim")) % len(axes.labels)
    step.freeze(axes.labels[dim], _PICKED)
    if name == "index_fill":
        return Axes(axes.labels, tuple(z and step.arg(3, "value") == 0 for z in axes.zero))
    source = step.axes_of(3, "source")
    step.freeze(source.labels[dim], _PICKED)
    return _met(step, axes, source, list(range(len(axes.labels))), [dim])


def _put(step: Step, axes: Axes) -> Axes:
    indices, values = list(step.arg(1, "indices")), step.axes_of(2, "values")
    given = [d for d, index in enumerate(indices) if isinstance(index, Tensor)]
    masks = [d for d in given if indices[d].dtype.itemsize == 1]
    together = given == list(range(given[0], given[-1] + 1)) if given else False
    if not together or (masks and len(given) > 1):
        return _whole(step, axes)
    first, width = given[0], indices[given[0]].dim() if masks else len(given)
    if len(values.labels) > len(axes.labels) - width + (1 if masks else max(indices[d].dim() for d in given)):
        return _whole(step, axes)
    if masks and width == len(axes.labels) and not values.labels:
        return _filled(step, axes, step.look(indices[first]))
    for d in range(first, first + width):
        step.freeze(axes.labels[d], _PICKED)
    for d in given:
        for labels in step.look(indices[d]).labels:
            step.freeze(labels, "an index cannot lose positions")
    made = 1 if masks else max(indices[d].dim() for d in given)  # axes that the indices make
    places: list[int | None] = [*range(first), *[None] * made, *range(first + width, len(axes.labels))]
    places = places[len(places) - len(values.labels) :]
    for labels, place in zip(values.labels, places, strict=True):
        if place is None:
            step.freeze(labels, _PICKED)
    return _met(step, axes, values, places, list(range(first, first + width)))


def _filled(step: Step, axes: Axes, mask: Axes) -> Axes:
    """x[mask] = number, with a mask of the shape of x: number by number."""
    labels = tuple(step.merge(a, b) for a, b in zip(axes.labels, mask.labels, strict=True))
    nothing = bool(step.arg(2, "values") == 0)
    return Axes(labels, tuple(z and nothing for z in axes.zero))


def _met(step: Step, axes: Axes, other: Axes, places: Sequence[int | None], whole: list[int]) -> Axes:
    """Axis j of other meets axis places[j]; those in `whole` were written by position."""
    labels, zero = list(axes.labels), [False] * len(axes.labels)
    for there, flag, d in zip(other.labels, other.zero, places, strict=True):
        if d is None or d in whole:
            continue
        if len(there) != len(labels[d]):
            step.freeze(there, "an axis of width 1 is stretched")
            continue
        zero[d] = axes.zero[d] and flag
        labels[d] = step.merge(labels[d], there)
    return Axes(tuple(labels), tuple(zero))


def _whole(step: Step, axes: Axes) -> Axes:
    for labels in (*axes.labels, *step.axes_of(2, "values").labels):
        step.freeze(labels, "numbers are written by their position")
    return never(step.output.shape)
