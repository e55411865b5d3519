"""nn.Bilinear: x and y meet in a matrix for every output."""

from __future__ import annotations

from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = ("aten._trilinear.default",)

_BILINEAR = ([1, 3], [0], [1, 2], [2, 3])


def follow(step: Step) -> Axes:
    """(rows, i), (o, i, j), (rows, j) -> (rows, o)."""
    x, weight, y = (step.axes_of(i) for i in range(3))
    if tuple(list(dims) for dims in step.args[3:7]) != _BILINEAR:
        for labels in (*x.labels, *weight.labels, *y.labels):
            step.freeze(labels, "a product of three tensors of this kind is not known")
        return never(step.output.shape)
    step.contract(x, 1, weight, 1)
    step.contract(y, 1, weight, 2)
    return Axes((step.merge(x.labels[0], y.labels[0]), weight.labels[0]), (False, True))
