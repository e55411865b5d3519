"""Normalisation: batch norm goes along with its channel; layer norm averages over the units that stay."""

from __future__ import annotations

from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = (
    "aten.native_batch_norm.default",
    "aten._native_batch_norm_legit_no_training.default",
    "aten._native_batch_norm_legit.default",
    "aten._batch_norm_with_update.default",
    "aten.native_layer_norm.default",
    "aten.native_group_norm.default",
)


def follow(step: Step) -> tuple[Axes, ...]:
    """Outputs: the normalised tensor, then statistics that nobody follows."""
    axes = step.axes_of(0)
    rest = tuple(never(t.shape) for t in step.output[1:])
    if step.operation == "aten.native_layer_norm.default" and len(step.args[1]) == 1:
        return (_layer_norm(step, axes), *rest)
    if "batch_norm" not in step.operation:
        for labels in axes.labels[1:]:
            step.freeze(labels, f"{step.operation.split('.')[1]} averages over the axis")
        return (axes.nonzero(), *rest)
    tensors = [t for t in step.args[1:5] if t is not None and hasattr(t, "dim")]
    for tensor in tensors:
        step.merge(axes.labels[1], step.look(tensor).labels[0])
    scaled = step.arg(1, "weight") is not None and step.arg(2, "bias") is not None
    zero = tuple(scaled if d == 1 else False for d in range(len(axes.labels)))
    return (Axes(axes.labels, zero), *rest)


def _layer_norm(step: Step, axes: Axes) -> Axes:
    last = len(axes.labels) - 1
    for tensor in step.args[2:4]:
        if tensor is not None:
            step.merge(axes.labels[last], step.look(tensor).labels[0])
    step.average(axes.labels[last], last)
    return Axes(axes.labels, tuple(d == last for d in range(len(axes.labels))))
