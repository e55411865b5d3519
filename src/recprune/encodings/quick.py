"""Codes decoded without waiting: rows by the compiled kernels where these can, small matrices once."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recprune.dispatch import kernels
from recprune.encodings.watched import is_watched

__all__ = ["Lent", "Quick", "placed", "same", "version_of"]


class Lent(NamedTuple):
    """name: of the function of the kernels that decodes rows. parts: what it takes between the level and the rows,
    arrays that lie where the parts of the codes do. scores: of the function that multiplies with all rows, if any."""

    name: str
    parts: tuple[Any, ...]
    scores: str = ""

    @classmethod
    def scaled(cls, bits: int, codes: Tensor, scale: Tensor) -> Lent:
        """Codes of 8, 4 or 2 bits and bfloat16 scales, one a row."""
        return cls("rows_of_codes", (bits, codes.numpy(), scale.view(torch.uint16).flatten().numpy()))


SMALL = 1 << 18
"""Numbers of a matrix that is kept once it was decoded, at most: a megabyte of float32."""

Place = tuple[Tensor | None, int, int]
"""A part, where it lies, and how often it was written to."""


class Quick(nn.Module):
    """Codes that are lent to the kernels, and remembered where they are small, while their parts stay as they are."""

    def __init__(self) -> None:
        super().__init__()
        self._lends: tuple[list[Place], Lent | None] | None = None
        self._keeps: tuple[list[Place], Tensor] | None = None

    def dense(self) -> Tensor:
        """The whole decoded matrix."""
        raise NotImplementedError

    def kept(self) -> Tensor | None:
        """`dense()` of a small matrix, found once: nobody may write into it. None for a larger one, and where somebody
        writes down or follows the operations."""
        if is_watched():
            return None
        parts = self._buffers.values()
        if self._keeps is None or not same(self._keeps[0], parts):
            if math.prod(self.shape) > SMALL or not counted(parts):
                return None
            with torch.inference_mode(False), torch.no_grad():
                self._keeps = placed(parts), self.dense()
        return self._keeps[1]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the matrix."""
        raise NotImplementedError

    def lent(self) -> Lent | None:
        """What the kernels decode rows by, the same to the bit; None where they do not know these codes."""
        return None

    def native(self) -> tuple[Any, int] | None:
        """The kernels and the level to ask of them. None where they are not there, for other floats than float32, on a
        graphics card, and where somebody writes down or follows the operations."""
        if is_watched():
            return None
        like, codes = self._buffers["like"], self._buffers["codes"]
        fits = like is not None and codes is not None and like.dtype is torch.float32 and codes.is_cpu
        return kernels() if fits else None

    def quick_rows(self, which: Tensor | int, high: int) -> Tensor | None:
        """(high, columns) decoded rows, before they are turned back: those of some ids (high,), or from a number on.

        None where the kernels do not know these codes, and where there are none to ask (`native`).
        """
        native = self.native()
        if native is None or (isinstance(which, Tensor) and not is_plain(which)):
            return None
        lent = self._lent()
        if lent is None:
            return None
        out = torch.empty(high, math.prod(self._buffers["like"].shape[1:]))  # type: ignore[union-attr]
        rows = which.long().contiguous().numpy() if isinstance(which, Tensor) else which
        getattr(native[0], lent.name)(native[1], *lent.parts, rows, out.numpy())
        return out

    def quick_scores(self, queries: Tensor) -> Tensor | None:
        """(batch, rows) products of (batch, columns) queries with all rows, which are not decoded for it. None where
        the kernels have no way to do that, and where there are none to ask."""
        native = self.native()
        lent = None if native is None else self._lent()
        fits = is_plain(queries) and queries.dtype is torch.float32
        if native is None or lent is None or not lent.scores or not fits:
            return None
        out = torch.empty(len(queries), self.shape[0])
        asked = queries.detach().contiguous().numpy()
        getattr(native[0], lent.scores)(native[1], *lent.parts, asked, out.numpy())
        return out

    def _lent(self) -> Lent | None:
        """`lent`, made anew where a part is another tensor, lies elsewhere or was written to."""
        parts = self._buffers.values()
        if self._lends is not None and same(self._lends[0], parts):
            return self._lends[1]
        if not all(part is None or is_lendable(part) for part in parts):
            return None
        found = self.lent()
        self._lends = (placed(parts), found) if counted(parts) else None
        return found

    def __getstate__(self) -> dict[str, Any]:
        """A copy has parts of its own."""
        return {**self.__dict__, "_lends": None, "_keeps": None}


def is_plain(tensor: Tensor) -> bool:
    """Whether it is a tensor on the processor, and of no class of somebody else's."""
    return type(tensor) is Tensor and tensor.is_cpu


def is_lendable(tensor: Tensor) -> bool:
    """Whether numpy and C can read it where it lies."""
    return is_plain(tensor) and tensor.is_contiguous() and tensor.data_ptr() % tensor.element_size() == 0


def counted(parts: Collection[Tensor | None]) -> bool:
    """Whether somebody counts who writes to the parts: nobody does to tensors of inference mode."""
    return all(part is None or (type(part) is Tensor and not part.is_inference()) for part in parts)


def placed(parts: Collection[Tensor | None]) -> list[Place]:
    """Where the parts lie now, and how often they were written to."""
    return [(part, 0, 0) if part is None else (part, part.data_ptr(), version_of(part)) for part in parts]


def same(places: Collection[Place], parts: Collection[Tensor | None]) -> bool:
    """Whether the parts lie where they did, and hold what they held."""
    for (part, at, version), now in zip(places, parts, strict=True):
        if part is not now or (now is not None and (now.data_ptr() != at or version_of(now) != version)):
            return False
    return True


def version_of(tensor: Tensor) -> int:
    """How often a tensor was written to; one of inference mode, which does not count it, stays as it is."""
    return 0 if tensor.is_inference() else tensor._version
