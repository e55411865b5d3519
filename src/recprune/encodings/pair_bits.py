"""Who had what: a sparse matrix whose entries are all alike, in a few bits an entry. Elias 1974; Fano 1971."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from recprune.encodings.codes import Codes, Layout, some_of
from recprune.encodings.item_item import ItemItem
from recprune.encodings.largest import largest
from recprune.errors import SurgeryError

__all__ = ["PairBits"]

MOST = 24
"""Low bits of a place, at most."""


class PairBits(Codes):
    """A (rows, columns) matrix of which some entries are stored, all with the same value.

    Places, row * columns + column, ascend, and are stored as in Elias 1974, section 3: of each the `low` last bits, and
    what is before them in unary. With low = log2(rows * columns / entries), rounded down, that is low + 2 bits an entry
    at most; a row takes a bit, and starts of rows are not needed.

    codes: (entries * low / 8,) uint8 the low bits, from the lowest bit of a byte on. steps: uint8, entries + rows *
    columns / 2^low + 1 bits: a one for every entry, and between them as many zeros as the rest of the place grows by.
    value: (1,) bfloat16. there: (rows / 8,) uint8 a one for every row of which not all entries are zeros; those of the
    others are 0 as well where they are stored. count: (2,) how many entries, and rows.
    Option `entries`, how many are stored (all where it is not said): the largest by magnitude, of equal ones the last;
    the value is the mean of those in rows that are there.
    """

    known: ClassVar[frozenset[str]] = frozenset({"entries"})

    steps: Tensor
    value: Tensor
    there: Tensor
    count: Tensor

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
    def parts(cls, matrix: Tensor, **options: int) -> dict[str, Tensor]:
        """The parts of a matrix, `like` left out."""
        kept = largest(matrix.abs(), cls.stored_entries(matrix.shape, **options))
        return _parts(matrix.reshape(-1)[kept], kept, matrix.shape)

    @classmethod
    def of(cls, stays: ItemItem) -> Self:
        """The entries of a matrix that was cut already. Raises SurgeryError for values that are not finite or not
        alike."""
        values, columns = stays.values.detach(), stays.in_features
        if not cls.suits(stays):
            raise SurgeryError("pair_bits stores one value, and there are several here: item_bytes stores any")
        places = stays.rows() * columns + stays.indices.long()
        return cls({**_parts(values, places, (stays.out_features, columns)), "like": values.new_empty(0, columns)})

    @classmethod
    def suits(cls, stays: ItemItem) -> bool:
        """Whether the entries are alike, and there are some, so that nothing but rounding changes them."""
        values = stays.values.detach()
        return len(values) > 0 and bool(values.isfinite().all() and (values == values[0]).all())

    @classmethod
    def height(cls, parts: Mapping[str, Tensor]) -> int:
        """Rows of the matrix. Raises SurgeryError where counts do not tell them."""
        return _counts(parts)[1]

    @classmethod
    def options(cls, parts: Mapping[str, Tensor]) -> dict[str, int]:
        """How many entries there are."""
        return {"entries": _counts(parts)[0]}

    @classmethod
    def stored_entries(cls, shape: Sequence[int], **options: int) -> int:
        """As many as `entries` says. Raises SurgeryError where that is below 1."""
        return some_of(shape, options.get("entries"))

    @property
    def entries(self) -> int:
        """Entries that are stored."""
        return int(self.count[0])

    def check(self) -> None:
        """Raise SurgeryError where there are not as many steps as entries, or places do not ascend in the matrix."""
        ones = int(_bits(self.steps).sum())
        places = self.places() if ones == self.entries else torch.ones(2, dtype=torch.int64)
        rows, columns = self.shape
        if bool((places.diff() <= 0).any()) or int(places[-1]) >= rows * columns:
            raise SurgeryError("pair bits are damaged: places must rise, and steps must count them")

    def places(self) -> Tensor:
        """(entries,) int64, row * columns + column of each, ascending."""
        entries, (rows, columns) = self.entries, self.shape
        low = _low(rows * columns, entries)
        number = torch.arange(entries, device=self.codes.device)
        high = _bits(self.steps).nonzero().squeeze(1) - number
        return (high << low) + _unpacked(self.codes, number, low)

    def opened(self) -> ItemItem:
        """The same numbers as entries that can be trained and cut again."""
        places, (rows, columns) = self.places(), self.shape
        owner = places // columns
        starts = torch.cat([places.new_zeros(1), torch.bincount(owner, minlength=rows).cumsum(0)])
        values = self.value.to(self.dtype) * _bits(self.there).to(self.dtype)[owner]
        return ItemItem(values, places % columns, starts, columns)

    def rows(self, indices: Tensor) -> Tensor:
        """(..., columns): decoded rows. All entries are read for it."""
        return self.dense()[indices]

    def dense(self) -> Tensor:
        """The whole decoded matrix."""
        return self.opened().dense().detach()

    def multiply(self, x: Tensor) -> Tensor:
        """x @ dense().T for x (..., columns): (..., rows)."""
        held = self.opened()
        wide = x.reshape(-1, self.shape[1])
        found: Tensor = held.double()(wide.double()) if x.dtype is torch.float64 else held.float()(wide.float())
        return found.to(x.dtype).reshape(*x.shape[:-1], self.shape[0])

    def back(self, x: Tensor) -> Tensor:
        """x @ dense() for x (batch, rows): (batch, columns)."""
        return self.opened().back(x)

    def walk(self, x: Tensor) -> Tensor:
        """As `ItemItem.walk`."""
        return self.opened().walk(x)

    @classmethod
    def bound(cls, matrix: Tensor, **options: int) -> Tensor:
        """What is left out, how far entries are from their mean, and what rounding adds."""
        kept = largest(matrix.abs(), cls.stored_entries(matrix.shape, **options))
        stays = torch.zeros_like(matrix).flatten().index_fill_(0, kept, 1.0).view_as(matrix)
        stays = stays * (matrix != 0).any(1, keepdim=True)
        mean = (matrix * stays).sum() / stays.sum().clamp(min=1)
        rounded: Tensor = mean.abs() * 2**-8 * stays.sum(1) ** 0.5
        left: Tensor = (matrix - mean * stays).norm(dim=1)
        return left + rounded


def _counts(parts: Mapping[str, Tensor]) -> tuple[int, int]:
    told = parts.get("count", torch.zeros(2, dtype=torch.int64))
    if told.shape != (2,) or told.is_floating_point() or bool((told < 1).any()):
        raise SurgeryError(f"'count' of PairBits is two numbers, 1 or more each, not {told.tolist()}")
    return int(told[0]), int(told[1])


def _low(cells: int, entries: int) -> int:
    return min(max(1, (cells // max(entries, 1)).bit_length() - 1), MOST)


def _steps(cells: int, entries: int, low: int) -> int:
    return -(-(entries + (cells >> low) + 1) // 8)


def _parts(values: Tensor, places: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
    """Parts of entries in the order of their places."""
    rows, columns = shape
    entries, owner = len(places), places // columns
    low = _low(rows * columns, entries)
    there = torch.zeros(rows, dtype=torch.bool).index_put((owner,), values != 0, accumulate=True)
    mean = values.double()[there[owner]].sum() / there[owner].sum().clamp(min=1)
    steps = torch.zeros(8 * _steps(rows * columns, entries, low), dtype=torch.bool)
    steps[(places >> low) + torch.arange(entries)] = True
    return {
        "codes": _packed((places[:, None] >> torch.arange(low)) & 1),
        "steps": _packed(steps),
        "value": mean.to(torch.bfloat16).reshape(1),
        "there": _packed(there),
        "count": torch.tensor([entries, rows]),
    }


def _packed(bits: Tensor) -> Tensor:
    """Eight of them a byte, the first the lowest."""
    flat = bits.reshape(-1).to(torch.uint8)
    bytes_ = F.pad(flat, (0, -len(flat) % 8)).view(-1, 8) << torch.arange(8, dtype=torch.uint8)
    return bytes_.sum(1).to(torch.uint8)


def _bits(packed: Tensor) -> Tensor:
    return ((packed[:, None] >> torch.arange(8, dtype=torch.uint8, device=packed.device)) & 1).reshape(-1)


def _unpacked(codes: Tensor, number: Tensor, low: int) -> Tensor:
    """The numbers of `low` bits at those places of a row of bits."""
    padded = F.pad(codes, (0, 4)).long()
    first = number * low
    byte, out = first >> 3, torch.zeros_like(number)
    for place in range(-(-(MOST + 7) // 8)):
        out |= padded[byte + place] << (8 * place)
    return (out >> (first & 7)) & ((1 << low) - 1)
