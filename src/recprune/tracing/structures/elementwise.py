"""Elementwise operations: axes that meet become one; some operations turn the zeros of removed units into numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from recprune.tracing.ledger import Labels
from recprune.tracing.step import Axes, Source, Step, never

__all__ = ["follow", "operations"]

_KEEP = """abs neg relu relu_ gelu silu mish tanh sin asin atan sinh erf sqrt square sgn sign trunc round floor ceil
    leaky_relu elu selu celu hardtanh hardswish softsign clone detach alias _to_copy contiguous lift_fresh
    dropout native_dropout prelu _prelu_kernel expm1 log1p tan tanh_ silu_ gelu_ dropout_ leaky_relu_ elu_
    asinh atanh erfinv frac hardshrink softshrink"""
_BREAK = """sigmoid sigmoid_ exp log cos softplus hardsigmoid reciprocal rsqrt rsqrt_ log_sigmoid_forward cosh erfc exp2
    log2 acos exp_ log_"""
_BINARY = """add.Tensor add_.Tensor sub.Tensor sub_.Tensor rsub.Scalar add.Scalar mul.Tensor mul_.Tensor mul.Scalar
    div.Tensor div_.Tensor div.Scalar pow.Tensor_Scalar where.self masked_fill.Scalar masked_fill.Tensor
    masked_fill_.Scalar maximum.default minimum.default clamp.default clamp_min.default addcmul.default
    eq.Scalar ne.Scalar gt.Scalar ge.Scalar lt.Scalar le.Scalar eq.Tensor ne.Tensor gt.Tensor ge.Tensor lt.Tensor
    le.Tensor logical_and.default logical_or.default logical_not.default bitwise_and.Tensor bitwise_or.Tensor
    bitwise_not.default bitwise_xor.Tensor isnan.default isinf.default pow_.Scalar add_.Scalar sub_.Scalar sub.Scalar
    mul_.Scalar div_.Scalar clamp_.default clamp_min_.default clamp_min.Tensor clamp_min_.Tensor clamp_max.default
    clamp_max_.default masked_fill_.Tensor remainder.Scalar floor_divide.default div.Tensor_mode div.Scalar_mode
    addcdiv.default lerp.Scalar lerp.Tensor nan_to_num.default pow.Tensor_Tensor atan2.default logaddexp.default
    max.other min.other fmod.Scalar"""

operations = (
    *(f"aten.{name}.default" for name in (_KEEP + " " + _BREAK).split()),
    *(f"aten.{name}" for name in _BINARY.split()),
)

_SAME = frozenset(["clone", "detach", "alias", "_to_copy", "contiguous", "lift_fresh", "dropout"])
_breaking = frozenset(f"aten.{name}.default" for name in _BREAK.split())


def follow(step: Step) -> Axes | tuple[Axes, ...]:
    """Align the operands from the right and merge axis by axis."""
    name = step.operation.split(".")[1].rstrip("_")
    tensors = [a for a in (*step.args, *step.kwargs.values()) if isinstance(a, Tensor)]
    if name in ("prelu", "_prelu_kernel"):
        tensors = tensors[:1] + ([] if step.args[1].numel() == 1 else tensors[1:])
    operands = [step.look(t) for t in tensors]
    if step.operation in _breaking:
        return operands[0].nonzero()
    if len(operands) == 1 and (name in _KEEP.split() or step.operation.endswith((".default",))):
        kept = operands[0] if name in _KEEP.split() else operands[0].nonzero()
        kept = kept if name in _SAME else replace(kept, source=None)
        return (kept, kept.nonzero()) if isinstance(step.output, tuple | list) else kept
    source = _source(step, tensors, operands)
    if source is not None and source.pointer is not None and len(operands) > 1:
        return _offset(source, operands, zero=not step.output.is_floating_point())
    out = _aligned(step, operands, step.output.dim())
    return replace(out, zero=_zeros(step, name, operands, out), source=source)


def _offset(source: Source, operands: list[Axes], zero: bool) -> Axes:
    """Ids plus the row offsets of a merged table, or numbers less their means: the last axis is now that of the
    buffer, one position a field. zero: nothing is left there of a field that left."""
    one, other = operands
    ids, offsets = (one, other) if other.source is None else (other, one)
    return Axes((*ids.labels[:-1], offsets.labels[0]), (*ids.zero[:-1], zero), source)


def _aligned(step: Step, operands: list[Axes], rank: int) -> Axes:
    labels: list[Labels] = []
    for dim in range(rank):
        size = step.output.shape[dim]
        found: Labels | None = None
        for axes in operands:
            own = dim - rank + len(axes.labels)
            if own < 0:
                continue
            mine = axes.labels[own]
            if len(mine) != size:
                step.freeze(mine, "an axis of width 1 is stretched")
            elif found is None:
                found = mine
            else:
                found = step.merge(found, mine)
        labels.append(found if found is not None else never([size]).labels[0])
    return Axes(tuple(labels), tuple(True for _ in labels))


def _zeros(step: Step, name: str, operands: list[Axes], out: Axes) -> tuple[bool, ...]:
    return tuple(_zero(step, name, operands, dim, out) for dim in range(len(out.labels)))


def _zero(step: Step, name: str, operands: list[Axes], dim: int, out: Axes) -> bool:
    flags = []
    for axes in operands:
        own = dim - len(out.labels) + len(axes.labels)
        flags.append(own >= 0 and len(axes.labels[own]) == len(out.labels[dim]) and axes.zero[own])
    scalar = next((a for a in step.args[1:] if isinstance(a, int | float) and not isinstance(a, bool)), None)
    if name == "mul":
        return any(flags)
    if name == "div":
        return flags[0]
    if name == "pow":
        return flags[0] and scalar is not None and scalar > 0
    if name in ("add", "sub", "maximum", "minimum", "max", "min", "atan2", "where"):
        return all(flags) and (len(operands) > 1 or scalar == 0)
    if name == "masked_fill":
        value = step.arg(2, "value")
        return flags[0] and not isinstance(value, Tensor) and math.isfinite(value) and value == 0
    return False


def _source(step: Step, tensors: list[Tensor], operands: list[Axes]) -> Source | None:
    """Ids keep their columns; adding a buffer of integers makes that buffer a pointer."""
    if step.operation == "aten.where.self" and len(operands) == 3:
        asked, kept = operands[0].source, operands[2].source
        return kept if asked is not None and kept is not None and asked == replace(kept, negative=True) else None
    if step.operation == "aten.masked_fill.Scalar" and step.arg(2, "value") == 0 and len(operands) == 2:
        return operands[0].source if operands[1].source is None else None  # what is 0 already stays 0
    if step.operation == "aten.lt.Scalar" and operands[0].source is not None and step.args[1] == 0:
        return replace(operands[0].source, negative=True)
    known = [axes.source for axes in operands if axes.source is not None]
    if len(known) != 1 or known[0].negative:
        return None
    others = [t for t, axes in zip(tensors, operands, strict=True) if axes.source is None]
    if tensors[0].dtype not in (torch.int64, torch.int32):
        return _centred(step, known[0], tensors[0], others)
    if not others:
        plain = step.operation.split(".")[1]
        if plain == "add":
            return known[0] if step.arg(1, "other") == 0 else replace(known[0], moved=True)
        return known[0] if plain in ("clone", "_to_copy") else None
    name = step.name_of(others[0])
    offsets = step.operation.startswith("aten.add.") and others[0].dim() == 1 and name is not None
    return replace(known[0], pointer=name) if offsets and known[0].pointer is None else None


def _centred(step: Step, source: Source, first: Tensor, others: list[Tensor]) -> Source | None:
    """Numbers of columns side by side, less a buffer of one number a column: that buffer tells the columns apart."""
    beside = source.dim is not None and source.dim == first.dim() - 1 and source.pointer is None
    if not beside or step.operation != "aten.sub.Tensor" or len(others) != 1 or others[0] is first:
        return None
    name = step.name_of(others[0])
    return replace(source, pointer=name) if name is not None and others[0].dim() == 1 else None
