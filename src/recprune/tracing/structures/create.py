"""Operations that make a tensor out of nothing: nothing of it can leave, unless it has the shape of one that can."""

from __future__ import annotations

from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

_MADE = """zeros.default ones.default full.default empty.memory_format arange.default arange.start arange.start_step
    eye.default scalar_tensor.default new_zeros.default new_ones.default new_full.default new_empty.default"""
_LIKE = ("zeros_like", "ones_like", "full_like", "empty_like")

operations = (
    *(f"aten.{name}.default" for name in _LIKE),
    *(f"aten.{name}" for name in _MADE.split()),
)


def follow(step: Step) -> Axes:
    """What is made with the shape of another tensor shrinks along with it."""
    name = step.operation.split(".")[1]
    if name not in _LIKE:
        return never(step.output.shape)
    axes = step.axes_of(0)
    return Axes(axes.labels, axes.zero) if name == "zeros_like" else axes.nonzero()
