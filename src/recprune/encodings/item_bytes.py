"""An item-item matrix in two bytes an entry that stays, by the item of the history: a request reads its own items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor

from recprune.encodings.codes import Codes, Layout, Pick, some_of
from recprune.encodings.int8_rows import signed_bytes
from recprune.encodings.item_item import ItemItem
from recprune.encodings.largest import largest
from recprune.encodings.watched import is_graph
from recprune.errors import SurgeryError

__all__ = ["ItemBytes"]

WIDTH = 255
"""Rows of a block: what is in one is counted in a byte, and so is the place inside it."""

TOGETHER = 1 << 18
"""Entries that are added to scores at a time: what is written on the way stays in the cache."""

SCATTERED = 2
"""Entries of a block that are decoded while one is added to the scores of a user."""

BLOCK = 1 << 20
"""Numbers of a block of columns that is decoded and multiplied."""

PRODUCTS = 100
"""Numbers of a block that are multiplied while one entry is decoded."""


class ItemBytes(Codes):
    """A (rows, columns) matrix of which some entries are stored, column by column: rows are the items that get a score,
    columns those of the history.

    codes: (entries,) int8 values; scale: (rows, 1), the largest |entry| of the row / 127, as in `int8_rows`. places:
    (entries,) uint8, the row of each inside its block of 255 rows, ascending; counts: (columns, blocks) uint8, how many
    a column has in each block; starts: (columns,) int32, where the entries of a column begin.
    Option `entries`, how many are stored (all where it is not said): the largest by magnitude, of equal ones the last.
    Multiplying reads only the columns whose input is not zero.
    """

    known: ClassVar[frozenset[str]] = frozenset({"entries"})

    places: Tensor
    counts: Tensor
    starts: Tensor
    scale: Tensor

    @classmethod
    def layout(cls, rows: int, columns: int, value: torch.dtype, **options: int) -> Layout:
        """A byte for a value and one for its place; a byte for every column and block; starts and scales."""
        entries = cls.stored_entries((rows, columns), **options)
        return {
            "codes": (torch.int8, (entries,)),
            "places": (torch.uint8, (entries,)),
            "counts": (torch.uint8, (columns, -(-rows // WIDTH))),
            "starts": (torch.int32, (columns,)),
            "scale": (torch.bfloat16, (rows, 1)),
        }

    @classmethod
    def parts(cls, matrix: Tensor, **options: int) -> dict[str, Tensor]:
        """The parts of a matrix, `like` left out."""
        kept = largest(matrix.abs(), cls.stored_entries(matrix.shape, **options))
        columns = matrix.shape[1]
        return _parts(matrix.reshape(-1)[kept], kept // columns, kept % columns, matrix.shape)

    @classmethod
    def of(cls, stays: ItemItem) -> Self:
        """The entries of a matrix that was cut already. Raises SurgeryError for values that are not finite."""
        values = stays.values.detach()
        if not bool(values.isfinite().all()):
            raise SurgeryError("numbers that are NaN or infinite cannot be encoded: solve again with a larger reg")
        shape = stays.out_features, stays.in_features
        parts = _parts(values, stays.rows(), stays.indices.long(), shape)
        return cls({**parts, "like": values.new_empty(0, shape[1])})

    @classmethod
    def height(cls, parts: Mapping[str, Tensor]) -> int:
        """Rows of the matrix. Raises SurgeryError where scales do not tell them."""
        scale = parts.get("scale")
        if scale is None or scale.dim() != 2:
            raise SurgeryError("item bytes are not whole: a scale for every row is needed")
        return len(scale)

    @classmethod
    def options(cls, parts: Mapping[str, Tensor]) -> dict[str, int]:
        """How many entries there are."""
        return {"entries": parts["codes"].numel()}

    @classmethod
    def stored_entries(cls, shape: Sequence[int], **options: int) -> int:
        """As many as `entries` says. Raises SurgeryError where that is below 1."""
        return some_of(shape, options.get("entries"))

    @property
    def entries(self) -> int:
        """Entries that are stored."""
        return self.codes.numel()

    def check(self) -> None:
        """Raise SurgeryError where places are none of the matrix or do not ascend, or starts do not count them."""
        sizes, (rows, columns) = self._sizes(), self.shape
        whole = int(sizes.sum()) == self.entries and bool((sizes.cumsum(0) - sizes).equal(self.starts.long()))
        if whole:
            at = self._rows_of(torch.arange(columns), self.places)
            inside = bool(((self.places < WIDTH).all() if self.entries else True) and (at < rows).all())
            owner = torch.repeat_interleave(torch.arange(columns), sizes)
            whole = inside and bool(((owner * rows + at).diff() > 0).all())
        if not whole:
            raise SurgeryError("item bytes are damaged: places must rise inside a column, and counts must count them")

    def opened(self) -> ItemItem:
        """The same numbers as entries that can be trained and solved again."""
        rows, columns = self.shape
        owner = torch.repeat_interleave(torch.arange(columns), self._sizes())
        flat, order = (self._rows_of(torch.arange(columns), self.places) * columns + owner).sort()
        starts = torch.cat([flat.new_zeros(1), torch.bincount(flat // columns, minlength=rows).cumsum(0)])
        values = (self.codes.to(self.dtype)[order]) * self.scale.to(self.dtype)[flat // columns, 0]
        return ItemItem(values, flat % columns, starts, columns)

    def rows(self, indices: Tensor) -> Tensor:
        """(..., columns): decoded rows. All entries are read for it: this is stored by the columns."""
        return self.dense().flatten(1)[indices]

    def dense(self) -> Tensor:
        """The whole decoded matrix, or tensor where it has more axes."""
        found = self._columns(0, self.shape[1], self.dtype).T.contiguous() * self.scale.to(self.dtype)
        return found if self.like.dim() == 2 else found.view(-1, *self.like.shape[1:])

    def multiply(self, x: Tensor) -> Tensor:
        """x @ dense().T for x (..., columns): (..., rows), by the columns whose x is not zero."""
        rows, columns = self.shape
        wide = x.reshape(-1, columns)
        wide = wide if wide.dtype is torch.float64 else wide.float()
        if is_graph() or (torch.is_grad_enabled() and wide.requires_grad):
            out = self._by_entries(wide)
        else:
            users, items = wide.nonzero(as_tuple=True)
            sizes = self._lengths().index_select(0, items)
            blocks = self.entries + len(wide) * rows * columns // PRODUCTS
            few = SCATTERED * int(sizes.sum()) <= blocks
            out = self._by_columns(wide, users, items, sizes) if few else self._by_blocks(wide)
        return (out * self.scale.to(out.dtype).T).to(x.dtype).reshape(*x.shape[:-1], rows)

    @classmethod
    def bound(cls, matrix: Tensor, **options: int) -> Tensor:
        """What is left out, and half a scale for every entry that is coded."""
        kept = largest(matrix.abs(), cls.stored_entries(matrix.shape, **options))
        stays = torch.zeros_like(matrix).flatten().index_copy_(0, kept, matrix.flatten()[kept]).view_as(matrix)
        scale = signed_bytes(stays)["scale"].squeeze(1).to(matrix.dtype)
        left: Tensor = (matrix - stays).norm(dim=1)
        return left + scale / 2 * (stays != 0).sum(1) ** 0.5

    def numbers(self, pick: Pick, dtype: torch.dtype) -> Tensor:
        """(picked, columns) numbers of some rows, not yet scaled."""
        return pick(self._columns(0, self.shape[1], dtype).T)

    def _sizes(self) -> Tensor:
        """(columns,) entries of each, by their counts."""
        return self.counts.sum(1, dtype=torch.int64)

    def _lengths(self) -> Tensor:
        """(columns,) int32 entries of each, by their starts."""
        return self.starts.diff(append=self.starts.new_tensor([self.entries]))

    def _rows_of(self, columns: Tensor, places: Tensor, first: Tensor | None = None) -> Tensor:
        """The rows of all entries of some columns, whose places inside their blocks are given one after the other.

        first: (columns,) what comes on top in each.
        """
        counts = self.counts.index_select(0, columns)
        firsts = torch.arange(counts.shape[1], device=counts.device).mul_(WIDTH).expand(counts.shape)
        firsts = firsts if first is None else firsts + first.unsqueeze(1)
        return torch.repeat_interleave(firsts.reshape(-1), counts.reshape(-1).long()) + places

    def _by_columns(self, x: Tensor, users: Tensor, columns: Tensor, sizes: Tensor) -> Tensor:
        """x @ numbers.T, not yet scaled, by so many entries of each column where a user has x."""
        out, ends = x.new_zeros(x.shape[0], self.shape[0]), sizes.cumsum(0)
        begin, done = 0, 0
        while begin < len(users):
            end = max(begin + 1, int(torch.searchsorted(ends, done + TOGETHER, right=True)))
            part = slice(begin, end)
            self._add(out, x, users[part], columns[part], sizes[part])
            begin, done = end, int(ends[end - 1])
        return out

    def _add(self, out: Tensor, x: Tensor, users: Tensor, columns: Tensor, sizes: Tensor) -> None:
        """Add the entries of some columns to the sums of their users. One gather for all, in int32: what is written on
        the way is most of the time."""
        ends = sizes.cumsum(0, dtype=torch.int32)
        total = int(ends[-1]) if len(ends) else 0
        first = self.starts.index_select(0, columns) - (ends - sizes)
        at = torch.repeat_interleave(first, sizes, output_size=total)
        at += torch.arange(total, dtype=torch.int32, device=x.device)
        into = self._rows_of(columns, self.places.index_select(0, at), users * out.shape[1])
        numbers = self.codes.index_select(0, at).to(x.dtype)
        numbers *= torch.repeat_interleave(x[users, columns], sizes, output_size=total)
        out.view(-1).scatter_add_(0, into, numbers)

    def _by_blocks(self, x: Tensor) -> Tensor:
        out, columns = x.new_zeros(x.shape[0], self.shape[0]), x.shape[1]
        step = max(1, BLOCK // out.shape[1])
        for begin in range(0, columns, step):
            out.addmm_(x[:, begin : begin + step], self._columns(begin, min(begin + step, columns), x.dtype))
        return out

    def _by_entries(self, x: Tensor) -> Tensor:
        """By operations that a graph can hold and gradients pass; a number for every entry and row of x is held."""
        columns = torch.arange(self.shape[1], device=x.device)
        sizes = self._sizes()
        owner = torch.repeat_interleave(columns, sizes, output_size=self.entries)
        weighed = x[:, owner] * self.codes.to(x.dtype)
        return x.new_zeros(x.shape[0], self.shape[0]).index_add(1, self._rows_of(columns, self.places), weighed)

    def _columns(self, begin: int, end: int, dtype: torch.dtype) -> Tensor:
        """(columns begin..end, rows) numbers, not yet scaled, zero where nothing is stored."""
        columns, rows = torch.arange(begin, end, device=self.codes.device), self.shape[0]
        first = int(self.starts[begin])
        last = int(self.starts[end]) if end < self.shape[1] else self.entries
        at = self._rows_of(columns, self.places[first:last], (columns - begin) * rows)
        out = torch.zeros((end - begin) * rows, dtype=dtype, device=self.codes.device)
        return out.scatter_(0, at, self.codes[first:last].to(dtype)).view(-1, rows)


def _parts(values: Tensor, rows: Tensor, columns: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
    """Parts of entries in the order of their rows; rows, columns: int64."""
    wide = values if values.dtype is torch.float64 else values.float()
    reach = wide.new_zeros(shape[0]).scatter_reduce_(0, rows, wide.abs(), "amax")
    scale = signed_bytes(reach.unsqueeze(1))["scale"]
    step = torch.where(scale == 0, torch.ones_like(scale), scale).to(wide.dtype)[rows, 0]
    codes = (wide / step).round_().clamp_(-127, 127).to(torch.int8)
    order = columns.sort(stable=True).indices
    blocks = -(-shape[0] // WIDTH)
    counts = torch.bincount(columns * blocks + rows // WIDTH, minlength=shape[1] * blocks).view(shape[1], blocks)
    sizes = counts.sum(1)
    return {
        "codes": codes[order],
        "places": (rows % WIDTH).to(torch.uint8)[order],
        "counts": counts.to(torch.uint8),
        "starts": (sizes.cumsum(0) - sizes).to(torch.int32),
        "scale": scale,
    }
