"""Convolutions and pooling: channels are summed over, filters come out; a kernel that spans an axis sums it too."""

from __future__ import annotations

from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = (
    "aten.convolution.default",
    "aten.max_pool2d_with_indices.default",
    "aten.avg_pool2d.default",
    "aten.max_pool1d.default",
    "aten._adaptive_avg_pool2d.default",
    "aten.adaptive_max_pool2d.default",
    "aten.constant_pad_nd.default",
)


def follow(step: Step) -> Axes | tuple[Axes, ...]:
    """Spatial axes pass a kernel of width 1, are summed by a kernel that spans them, and stay whole otherwise."""
    axes = step.axes_of(0)
    if step.operation == "aten.convolution.default":
        return _convolution(step, axes)
    output = step.output[0] if isinstance(step.output, tuple | list) else step.output
    labels, zero = list(axes.labels), list(axes.zero)
    for d, size in enumerate(output.shape):
        if size != len(labels[d]) or (d >= len(labels) - 2 and step.operation != "aten.constant_pad_nd.default"):
            if size == len(labels[d]) == 1:
                continue
            step.freeze(labels[d], "pooling or padding looks at neighbours")
            labels[d], zero[d] = never([size]).labels[0], True
    out = Axes(tuple(labels), tuple(zero))
    return (out, never(step.output[1].shape)) if isinstance(step.output, tuple | list) else out


def _convolution(step: Step, axes: Axes) -> Axes:
    weight = step.axes_of(1)
    stride, padding, dilation = step.args[3], step.args[4], step.args[5]
    groups, filters = step.args[8], weight.shape[0]
    if step.args[6] or (groups != 1 and not groups == filters == axes.shape[1]):
        return _whole(step, axes, weight)
    if groups != 1:
        step.merge(axes.labels[1], weight.labels[0])  # each channel by itself
        step.freeze(weight.labels[1], "an axis of width 1")
    else:
        step.contract(axes, 1, weight, 1)
    labels, zero = [axes.labels[0], weight.labels[0]], [False, True]
    bias = step.args[2]
    if bias is not None:
        step.merge(weight.labels[0], step.look(bias).labels[0])
    for i, kernel in enumerate(weight.shape[2:]):
        mine, size, out = axes.labels[2 + i], axes.shape[2 + i], step.output.shape[2 + i]
        if kernel == 1 and out == size and padding[i] == 0 and stride[i] == 1:
            step.freeze(weight.labels[2 + i], "a kernel of width 1")
            labels.append(mine)
            zero.append(bias is None and axes.zero[2 + i])
            continue
        if kernel == size and padding[i] == 0 and dilation[i] == 1:
            step.contract(axes, 2 + i, weight, 2 + i)
        else:
            step.freeze(mine, "a convolution slides along the axis")
            step.freeze(weight.labels[2 + i], "a convolution slides along the axis")
        labels.append(never([out]).labels[0])
        zero.append(True)
    return Axes(tuple(labels), tuple(zero))


def _whole(step: Step, axes: Axes, weight: Axes) -> Axes:
    for part in (axes, weight):
        for labels in part.labels[1 if part is axes else 0 :]:
            step.freeze(labels, "a grouped or transposed convolution")
    return never(step.output.shape)
