"""Who had what: a sparse matrix whose entries are all alike, in a few bits an entry. Elias 1974; Fano 1971."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recprune.encodings.bits import packed, read, unpacked
from recprune.encodings.codes import Layout
from recprune.encodings.pairs import Pairs
from recprune.errors import SurgeryError

__all__ = ["PairBits"]

MOST = 24
"""Low bits of a place, at most."""


class PairBits(Pairs):
    """A (rows, columns) matrix of which some entries are stored, all with the same value.

    Places, row * columns + column, ascend, and are stored as in Elias 1974, section 3: of each the `low` last bits, and
    what is before them in unary. With low = log2(rows * columns / entries), rounded down, that is low + 2 bits an entry
    at most; a row takes a bit, and starts of rows are not needed.

    codes: (entries * low / 8,) uint8 the low bits, from the lowest bit of a byte on. steps: uint8, entries + rows *
    columns / 2^low + 1 bits: a one for every entry, and between them as many zeros as the rest of the place grows by.
    there: (rows / 8,) uint8 a one for every row of which not all entries are zeros. The rest is as in `Pairs`.
    """

    steps: Tensor
    there: Tensor

    @classmethod
    def layout(cls, rows: int, columns: int, value: torch.dtype, **options: int) -> Layout:
        """Low bits, steps, the value, and counts."""
        entries = cls.stored_entries((rows, columns), **options)
        low = _low(rows * columns, entries)
        return {
            "codes": (torch.uint8, (-(-entries * low // 8),)),
            "steps": (torch.uint8, (_steps(rows * columns, entries, low),)),
            "value": (torch.bfloat16, (1,)),
            "there": (torch.uint8, (-(-rows // 8),)),
            "count": (torch.int64, (2,)),
        }

    @classmethod
    def coded_places(cls, places: Tensor, there: Tensor, shape: Sequence[int], **options: int) -> dict[str, Tensor]:
        """Low bits, steps, and a bit a row."""
        rows, columns = shape
        entries = len(places)
        low = _low(rows * columns, entries)
        steps = torch.zeros(8 * _steps(rows * columns, entries, low), dtype=torch.bool)
        steps[(places >> low) + torch.arange(entries)] = True
        return {
            "codes": packed((places[:, None] >> torch.arange(low)) & 1),
            "steps": packed(steps),
            "there": packed(there),
            "count": torch.tensor([entries, rows]),
        }

    def check(self) -> None:
        """Raise SurgeryError where there are not as many steps as entries, or places do not ascend in the matrix."""
        ones = int(unpacked(self.steps).sum())
        places = self.places() if ones == self.entries else torch.ones(2, dtype=torch.int64)
        rows, columns = self.shape
        if bool((places.diff() <= 0).any()) or int(places[-1]) >= rows * columns:
            raise SurgeryError("pair bits are damaged: places must rise, and steps must count them")

    def places(self) -> Tensor:
        """(entries,) int64, row * columns + column of each, ascending."""
        entries, (rows, columns) = self.entries, self.shape
        low = _low(rows * columns, entries)
        number = torch.arange(entries, device=self.codes.device)
        high = unpacked(self.steps).nonzero().squeeze(1) - number
        return (high << low) + read(self.codes, number * low, low, MOST)

    def rows_there(self) -> Tensor:
        """(rows,) bool, by a bit a row."""
        return unpacked(self.there)[: self.shape[0]] > 0


def _low(cells: int, entries: int) -> int:
    return min(max(1, (cells // max(entries, 1)).bit_length() - 1), MOST)


def _steps(cells: int, entries: int, low: int) -> int:
    return -(-(entries + (cells >> low) + 1) // 8)
