"""Gated linear units: the first half of an axis times the sigmoid of the second; both lose the same positions."""

from __future__ import annotations

from recprune.tracing.step import Axes, Step

__all__ = ["follow", "operations"]

operations = ("aten.glu.default",)


def follow(step: Step) -> Axes:
    """Zeros of the first half stay zeros, whatever the gate says."""
    axes = step.axes_of(0)
    dim = int(step.arg(1, "dim", -1)) % len(axes.labels)
    first, gate = axes.labels[dim].reshape(2, -1)
    labels = list(axes.labels)
    labels[dim] = step.merge(first, gate, "it is gated by the other half")
    return Axes(tuple(labels), tuple(axes.zero))
