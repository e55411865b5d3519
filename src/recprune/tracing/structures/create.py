"""Operations that make a tensor out of nothing: one of equal numbers can have any width, others stay whole."""

from __future__ import annotations

from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

_ALIKE = """zeros.default ones.default full.default empty.memory_format
    new_zeros.default new_ones.default new_full.default new_empty.default"""
_MADE = "arange.default arange.start arange.start_step eye.default scalar_tensor.default"
_LIKE = ("zeros_like", "ones_like", "full_like", "empty_like")

operations = (
    *(f"aten.{name}.default" for name in _LIKE),
    *(f"aten.{name}" for name in (_ALIKE + " " + _MADE).split()),
)


def follow(step: Step) -> Axes:
    """Equal numbers take on the width of what they meet, which is tried out: it may be written into forward as a
    number. What is made with the shape of another tensor shrinks along with it."""
    name = step.operation.removeprefix("aten.")
    if name in _ALIKE.split():
        rows = never(step.output.shape).labels[: len(step.output.shape) > 1]
        labels = [step.ledger.fresh("made", "made", size) for size in step.output.shape[len(rows) :]]
        return Axes((*rows, *labels), tuple("zeros" in name for _ in step.output.shape))
    if name in _MADE.split():
        return never(step.output.shape)
    axes = step.axes_of(0)
    return Axes(axes.labels, axes.zero) if name.startswith("zeros_like") else axes.nonzero()
