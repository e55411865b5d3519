"""Rows of codes by the compiled kernels, where these can: the same numbers to the bit, in a fraction of the time."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recprune.dispatch import kernels
from recprune.encodings.watched import is_watched

__all__ = ["Lending", "Lent"]


class Lent(NamedTuple):
    """A function of the kernels and what it takes between the level and the rows: arrays that lie where the parts of
    the codes do."""

    name: str
    parts: tuple[Any, ...]

    @classmethod
    def scaled(cls, bits: int, codes: Tensor, scale: Tensor) -> Lent:
        """Codes of 8, 4 or 2 bits and bfloat16 scales, one a row."""
        return cls("rows_of_codes", (bits, codes.numpy(), scale.view(torch.uint16).flatten().numpy()))


class Lending(nn.Module):
    """Codes that are lent to the kernels: what `lent` gives is kept while the parts stay where they are."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: tuple[list[tuple[Tensor | None, int]], Lent | None] | None = None

    def lent(self) -> Lent | None:
        """What the kernels decode rows by, the same to the bit; None where they do not know these codes."""
        return None

    def quick_rows(self, which: Tensor | int, high: int) -> Tensor | None:
        """(high, columns) decoded rows, before they are turned back: those of some ids (high,), or from a number on.

        None where the kernels do not know these codes or are not there, where it is not float32 on the processor, and
        where somebody writes down or follows the operations: they see torch's own.
        """
        parts, native = self._buffers, kernels()
        like, codes = parts["like"], parts["codes"]
        if native is None or like is None or codes is None or like.dtype is not torch.float32 or not codes.is_cpu:
            return None
        if is_watched() or (isinstance(which, Tensor) and not (type(which) is Tensor and which.is_cpu)):
            return None
        lent = self._lent()
        if lent is None:
            return None
        out = torch.empty(high, math.prod(like.shape[1:]))
        rows = which.long().contiguous().numpy() if isinstance(which, Tensor) else which
        getattr(native[0], lent.name)(native[1], *lent.parts, rows, out.numpy())
        return out

    def _lent(self) -> Lent | None:
        """`lent`, made anew where a part is another tensor, or lies elsewhere."""
        here = self._buffers.values()
        if self._kept is not None:
            there, found = self._kept
            both = zip(here, there, strict=True)
            if all(one is part and (one is None or one.data_ptr() == at) for one, (part, at) in both):
                return found
        found = self.lent()
        self._kept = [(one, 0 if one is None else one.data_ptr()) for one in here], found
        return found

    def __getstate__(self) -> dict[str, Any]:
        """A copy has parts of its own."""
        return {**self.__dict__, "_kept": None}
