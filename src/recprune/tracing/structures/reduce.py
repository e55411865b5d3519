"""Reductions: a summed axis may lose units that are zero; averages and softmax are taken over the units that stay.
Where a unit is named by its number, all stay."""

from __future__ import annotations

from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = (
    "aten.prod.dim_int",
    "aten.sum.dim_IntList",
    "aten.sum.default",
    "aten.mean.dim",
    "aten.mean.default",
    "aten.var.correction",
    "aten.std.correction",
    "aten.amax.default",
    "aten.amin.default",
    "aten.max.dim",
    "aten.min.dim",
    "aten.max.default",
    "aten.min.default",
    "aten.any.dim",
    "aten.any.default",
    "aten.all.dim",
    "aten.all.default",
    "aten.argmax.default",
    "aten.argmin.default",
    "aten.linalg_vector_norm.default",
    "aten._softmax.default",
    "aten._safe_softmax.default",
    "aten._log_softmax.default",
    "aten.logsumexp.default",
    "aten.cumsum.default",
    "aten.topk.default",
)


_SAME_SHAPE = frozenset({"_softmax", "_safe_softmax", "_log_softmax", "cumsum"})
_ZEROS = frozenset({"sum", "linalg_vector_norm", "mean", "amax", "amin", "max", "min", "var", "std", "any"})
_AVERAGES = _SAME_SHAPE | _ZEROS | {"logsumexp", "prod", "all"}
_NUMBERS = frozenset({"argmax.default", "argmin.default", "max.dim", "min.dim"})
"""Operations that say which unit it is: of others that number would be another."""


def follow(step: Step) -> Axes | tuple[Axes, ...]:
    """Sums pass where zeros add nothing; others are taken over the units that stay, or keep the axis whole."""
    axes, name = step.axes_of(0), step.operation.split(".")[1]
    if not axes.labels:  # a single number
        return tuple(axes for _ in step.output) if isinstance(step.output, tuple | list) else axes
    dims = step.dims(2 if name in ("linalg_vector_norm", "topk") else 1)
    for dim in dims:
        if step.operation.removeprefix("aten.") in _NUMBERS:
            step.freeze(axes.labels[dim], f"{name} over the axis says which of its units it is, by a number")
            continue
        if name in ("sum", "linalg_vector_norm") and axes.zero[dim]:
            continue
        if name in _AVERAGES:
            step.average(axes.labels[dim], dim)
            continue
        step.freeze(axes.labels[dim], _reason(name))
    if name in _SAME_SHAPE:
        return Axes(axes.labels, tuple(d in dims or (name == "cumsum" and z) for d, z in enumerate(axes.zero)))
    out = step.output[0] if isinstance(step.output, tuple | list) else step.output
    kept = _kept(axes, dims, len(out.shape), out.shape)
    kept = kept if name in _ZEROS else kept.nonzero()
    return (kept, *(kept.nonzero() for _ in step.output[1:])) if isinstance(step.output, tuple | list) else kept


def _reason(name: str) -> str:
    return f"{name.strip('_')} over the axis depends on how many units there are"


def _kept(axes: Axes, dims: tuple[int, ...], rank: int, shape: tuple[int, ...]) -> Axes:
    if rank != len(axes.labels):
        return axes.without(dims)
    labels, zero = list(axes.labels), list(axes.zero)
    for dim in dims:
        labels[dim], zero[dim] = never([shape[dim]]).labels[0], True
    return Axes(tuple(labels), tuple(zero))
