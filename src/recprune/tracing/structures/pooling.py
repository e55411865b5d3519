"""Pooling and padding: places stay whole, rows and channels go on."""

from __future__ import annotations

from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = (
    "aten.max_pool2d_with_indices.default",
    "aten.avg_pool2d.default",
    "aten.max_pool1d.default",
    "aten._adaptive_avg_pool2d.default",
    "aten.adaptive_max_pool2d.default",
    "aten.constant_pad_nd.default",
)


def follow(step: Step) -> Axes | tuple[Axes, ...]:
    """An axis of another size, and one that is pooled, is one of places."""
    axes = step.axes_of(0)
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
