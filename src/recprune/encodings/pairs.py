"""Who had what: what encodings of a sparse matrix whose entries are all alike have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor

from recprune.encodings.codes import Codes, some_of
from recprune.encodings.item_item import ItemItem
from recprune.encodings.largest import largest
from recprune.errors import SurgeryError

__all__ = ["Pairs"]


class Pairs(Codes):
    """A (rows, columns) matrix of which some entries are stored, all with the same value.

    value: (1,) bfloat16. count: int64, how many entries, and rows, and what a subclass counts beside.
    Option `entries`, how many are stored (all where it is not said): the largest by magnitude, of equal ones the last;
    the value is the mean of those in rows that are there, which are all but those whose entries are all zeros.
    A subclass has `layout`, `coded_places`, `places` and `rows_there`.
    """

    known: ClassVar[frozenset[str]] = frozenset({"entries"})
    counted: ClassVar[int] = 2
    """Numbers of `count`."""

    value: Tensor
    count: Tensor

    @classmethod
    def coded_places(cls, places: Tensor, there: Tensor, shape: Sequence[int], **options: int) -> dict[str, Tensor]:
        """The parts, without `value`, of entries at row * columns + column, ascending. there: (rows,) bool."""
        raise NotImplementedError

    def places(self) -> Tensor:
        """(entries,) int64, row * columns + column of each, ascending."""
        raise NotImplementedError

    def rows_there(self) -> Tensor:
        """(rows,) bool, whether the entries of a row are `value`; they are 0 in others."""
        raise NotImplementedError

    @classmethod
    def parts(cls, matrix: Tensor, **options: int) -> dict[str, Tensor]:
        """The parts of a matrix, `like` left out."""
        kept = largest(matrix.abs(), cls.stored_entries(matrix.shape, **options))
        return cls._coded(matrix.reshape(-1)[kept], kept, matrix.shape, **options)

    @classmethod
    def of(cls, stays: ItemItem, **options: int) -> Self:
        """The entries of a matrix that was cut already. Raises SurgeryError for values that are not finite or not
        alike."""
        values, columns = stays.values.detach(), stays.in_features
        if not cls.suits(stays):
            raise SurgeryError(f"{cls.__name__} stores one value, and there are several here: item_bytes stores any")
        places = stays.rows() * columns + stays.indices.long()
        parts = cls._coded(values, places, (stays.out_features, columns), **options)
        return cls({**parts, "like": values.new_empty(0, columns)})

    @classmethod
    def suits(cls, stays: ItemItem) -> bool:
        """Whether the entries are alike, and there are some, so that nothing but rounding changes them."""
        values = stays.values.detach()
        return len(values) > 0 and bool(values.isfinite().all() and (values == values[0]).all())

    @classmethod
    def height(cls, parts: Mapping[str, Tensor]) -> int:
        """Rows of the matrix. Raises SurgeryError where counts do not tell them."""
        return cls.counts(parts)[1]

    @classmethod
    def options(cls, parts: Mapping[str, Tensor]) -> dict[str, int]:
        """How many entries there are."""
        return {"entries": cls.counts(parts)[0]}

    @classmethod
    def counts(cls, parts: Mapping[str, Tensor]) -> tuple[int, ...]:
        """Entries, rows, and what is counted beside. Raises SurgeryError where `count` does not tell them."""
        told = parts.get("count", torch.zeros(2, dtype=torch.int64))
        whole = told.shape == (cls.counted,) and told.dtype is torch.int64
        if not whole or bool((told < 0).any()) or bool((told[:2] < 1).any()):
            raise SurgeryError(
                f"'count' of {cls.__name__} is {cls.counted} numbers, of which entries and rows are 1 or more, not "
                f"{told.flatten()[:4].tolist()} of shape {tuple(told.shape)}"
            )
        return tuple(told.tolist())

    @classmethod
    def stored_entries(cls, shape: Sequence[int], **options: int) -> int:
        """As many as `entries` says. Raises SurgeryError where that is below 1."""
        return some_of(shape, options.get("entries"))

    @property
    def entries(self) -> int:
        """Entries that are stored."""
        return int(self.count[0])

    def opened(self) -> ItemItem:
        """The same numbers as entries that can be trained and cut again."""
        places, (rows, columns) = self.places(), self.shape
        owner = places // columns
        starts = torch.cat([places.new_zeros(1), torch.bincount(owner, minlength=rows).cumsum(0)])
        values = self.value.to(self.dtype) * self.rows_there().to(self.dtype)[owner]
        return ItemItem(values, places % columns, starts, columns)

    def rows(self, indices: Tensor) -> Tensor:
        """(..., columns): decoded rows. All entries are read for it."""
        return self.dense().flatten(1)[indices]

    def dense(self) -> Tensor:
        """The whole decoded matrix, or tensor where it has more axes."""
        found = self.opened().dense().detach()
        return found if self.like.dim() == 2 else found.view(-1, *self.like.shape[1:])

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

    @classmethod
    def _coded(cls, values: Tensor, places: Tensor, shape: Sequence[int], **options: int) -> dict[str, Tensor]:
        owner = places // shape[1]
        there = torch.zeros(shape[0], dtype=torch.bool).index_put((owner,), values != 0, accumulate=True)
        mean = values.double()[there[owner]].sum() / there[owner].sum().clamp(min=1)
        return {**cls.coded_places(places, there, shape, **options), "value": mean.to(torch.bfloat16).reshape(1)}
