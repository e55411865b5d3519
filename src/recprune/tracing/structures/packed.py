"""Sequences of several lengths, packed one step after the other: only batch and time are laid together."""

from __future__ import annotations

from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = ("torch._pack_padded_sequence", "torch._pad_packed_sequence")


def follow(step: Step) -> tuple[Axes, ...]:
    """(batch, time, …) -> (all steps, …) and back; what is filled in after the end is zero or keeps the axis whole."""
    axes, output = step.axes_of(0), step.output[0]
    pack = step.operation == "torch._pack_padded_sequence"
    joined = 2 if pack else 1
    for labels in axes.labels[:joined]:
        step.freeze(labels, "sequences are packed")
    inner = axes.pick(range(joined, len(axes.labels)))
    filled = pack or step.arg(3, "padding_value") == 0
    front = never(output.shape[: len(output.shape) - len(inner.labels)])
    out = Axes((*front.labels, *inner.labels), (*front.zero, *(z and filled for z in inner.zero)))
    return (out, *(never(t.shape) for t in step.output[1:]))
