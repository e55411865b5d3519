"""Convolutions: channels are summed over, filters come out; a kernel that spans an axis sums it too."""

from __future__ import annotations

from recprune.tracing.ledger import Labels
from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = ("aten.convolution.default",)


def follow(step: Step) -> Axes:
    """Spatial axes pass a kernel of width 1, are summed by a kernel that spans them, and stay whole otherwise."""
    axes, weight, bias = step.axes_of(0), step.axes_of(1), step.args[2]
    if step.args[6] and step.args[8] != 1:
        return _whole(step, axes, weight)
    filters = _channels(step, axes, weight)
    if bias is not None:
        step.merge(filters, step.look(bias).labels[0])
    labels, zero = [axes.labels[0], filters], [False, True]
    for i in range(len(weight.shape) - 2):
        place, flag = _place(step, axes, weight, i)
        labels.append(place)
        zero.append(flag)
    return Axes(tuple(labels), tuple(zero))


def _channels(step: Step, axes: Axes, weight: Axes) -> Labels:
    """Merge the channels that go in; the filters that come out. In groups, whole groups leave, or the same channels
    and the same filters of every group."""
    groups = step.args[8]
    if step.args[6]:
        step.contract(axes, 1, weight, 0)
        return weight.labels[1]
    if groups == 1:
        step.contract(axes, 1, weight, 1)
        return weight.labels[0]
    name = step.module or "forward"
    outer, inner = step.ledger.factor(axes.labels[1], groups, name)
    step.merge(inner, weight.labels[1], "an axis of width 1" if len(inner) == 1 else "channels of a group stay")
    made, _ = step.ledger.factor(weight.labels[0], groups, f"{name}.out")
    step.merge(made, outer)
    return weight.labels[0]


def _place(step: Step, axes: Axes, weight: Axes, i: int) -> tuple[Labels, bool]:
    """Spatial axis number i of the output, and whether it keeps zeros."""
    stride, padding, dilation = step.args[3], step.args[4], step.args[5]
    mine, size, kernel, out = axes.labels[2 + i], axes.shape[2 + i], weight.shape[2 + i], step.output.shape[2 + i]
    if kernel == 1 and out == size and padding[i] == 0 and stride[i] == 1:
        step.freeze(weight.labels[2 + i], "a kernel of width 1")
        return mine, step.args[2] is None and axes.zero[2 + i]
    if kernel == size and padding[i] == 0 and dilation[i] == 1 and not step.args[6]:
        step.contract(axes, 2 + i, weight, 2 + i)
    else:
        step.freeze(mine, "a convolution slides along the axis")
        step.freeze(weight.labels[2 + i], "a convolution slides along the axis")
    return never([out]).labels[0], True


def _whole(step: Step, axes: Axes, weight: Axes) -> Axes:
    for part in (axes, weight):
        for labels in part.labels[1 if part is axes else 0 :]:
            step.freeze(labels, "a transposed convolution in groups")
    return never(step.output.shape)
