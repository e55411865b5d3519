"""Numbers written over others, as x[:, 0] = y does through a view of x: axes meet, zeros are those of the new ones."""

from __future__ import annotations

from torch import Tensor

from recprune.tracing.step import Axes, Step

__all__ = ["follow", "operations"]

operations = (
    "aten.copy_.default",
    "aten.copy.default",
    "aten.fill_.Scalar",
    "aten.fill_.Tensor",
    "aten.fill.Scalar",
    "aten.zero_.default",
)


def follow(step: Step) -> Axes:
    """copy_(self, source): source is aligned from the right; fill_: one number everywhere."""
    axes, name = step.axes_of(0), step.operation.split(".")[1].rstrip("_")
    if name == "zero":
        return Axes(axes.labels, tuple(True for _ in axes.labels))
    if name == "fill":
        value = step.arg(1, "value")
        return Axes(axes.labels, tuple(not isinstance(value, Tensor) and value == 0 for _ in axes.labels))
    source = step.axes_of(1, "src")
    labels, zero = list(axes.labels), [False] * len(axes.labels)
    for own, (there, flag) in enumerate(zip(source.labels, source.zero, strict=True)):
        d = own + len(labels) - len(source.labels)
        if len(there) == len(labels[d]):
            labels[d], zero[d] = step.merge(labels[d], there), flag
        else:
            step.freeze(there, "an axis of width 1 is stretched")
    return Axes(tuple(labels), tuple(zero))
