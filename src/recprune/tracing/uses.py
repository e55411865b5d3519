"""Uses of ids beside look-ups: where forward goes by their numbers, they cannot get new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from recprune.tracing.step import Axes, Source, Step
from recprune.tracing.structures.embedding import LOOKUPS, picked_rows

__all__ = ["compared", "numbers_used"]

Columns = tuple[str, ...]

_SHAPES = """zeros_like ones_like empty_like full_like rand_like randn_like new_zeros new_ones new_empty new_full
    sym_size sym_numel embedding_renorm_ embedding_renorm is_same_size"""
_NONZERO = """sign sgn count_nonzero any all logical_not logical_and logical_or logical_xor nonzero nonzero_numpy isnan
    isinf is_nonzero"""
_HARMLESS = frozenset(f"aten.{name}" for name in f"{_SHAPES} {_NONZERO}".split())
"""Operations that go by the shape of ids, or by which of them are 0, as what left is in both models."""
_COMPARING = frozenset(["eq", "ne", "gt", "ge", "lt", "le"])


def numbers_used(
    step: Step, source_of: Callable[[Tensor], Source | None], found: Sequence[Axes], tensors: Sequence[Tensor]
) -> Iterator[tuple[Columns, str]]:
    """Columns whose ids an operation takes for numbers, and how; none where it looks them up, carries them on, tells
    only which of them are 0, or compares them with those of another column (`compared`).

    found: the axes of what comes out; tensors: of what goes in.
    """
    carried = {column for axes in found if axes.source is not None for column in axes.source.columns}
    name = step.operation.split(".")[1]
    for tensor in tensors:
        source = source_of(tensor)
        if source is None or tensor.dtype == torch.bool:
            continue
        if tensor is picked_rows(step):
            padding = _padding(step)
            if source.moved:
                yield _columns(source), "a number is added to its ids before they are looked up"
            elif padding > 0:
                yield _columns(source), f"padding_idx of its table is {padding}: only 0 can be the code of padding"
        elif set(source.columns) & carried:
            continue
        elif source.moved or not (_harmless(step, name) or list(compared(step, source_of))):
            yield _columns(source), f"its ids are numbers to {step.operation} (in {step.module or 'forward'})"


def compared(step: Step, source_of: Callable[[Tensor], Source | None]) -> Iterator[tuple[Columns, Columns]]:
    """The two columns whose ids are asked whether they are equal: they have to be renumbered alike."""
    if step.operation in ("aten.eq.Tensor", "aten.ne.Tensor"):
        one, other = (source_of(x) if isinstance(x, Tensor) else None for x in step.args[:2])
        plain = [s for s in (one, other) if s is not None and not s.moved and s.pointer is None]
        if len(plain) == 2:
            yield _columns(plain[0]), _columns(plain[1])


def _columns(source: Source) -> Columns:
    """The input columns: those of a matrix by their places where only some of them were taken."""
    if source.part is None:
        return source.columns
    return tuple(f"{source.columns[0]}.{j}" for j in range(*source.part))


def _harmless(step: Step, name: str) -> bool:
    """Whether an operation gives the same where other codes than 0 get other numbers."""
    return f"aten.{name}" in _HARMLESS or _to_bool(step, name) or _with_zero(step, name)


def _padding(step: Step) -> int:
    """The row that a look-up takes for padding; -1 where there is none."""
    if step.operation not in LOOKUPS:
        return -1
    place = 2 if step.operation == "aten.embedding.default" else 8
    found: int | None = step.arg(place, "padding_idx", -1)
    return -1 if found is None else int(found)


def _to_bool(step: Step, name: str) -> bool:
    """A cast to truth values."""
    return name == "_to_copy" and isinstance(step.output, Tensor) and step.output.dtype == torch.bool


def _with_zero(step: Step, name: str) -> bool:
    """A comparison that tells 0 from all other codes, or nothing: none of them is below 0."""
    if name not in _COMPARING:
        return False
    other: Any = step.arg(1, "other")
    if isinstance(other, Tensor):
        if other.numel() != 1 or other.dim():
            return False
        other = other.item()
    return bool(other <= 0 or (name in ("ge", "lt") and other == 1))
