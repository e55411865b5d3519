"""Rows of unlike many entries: the largest of a whole matrix, or those that training has left. The others are zero."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from recprune.encodings.codes import ENTRIES, Codes, Layout
from recprune.encodings.int4_rows import Int4Rows
from recprune.encodings.int8_rows import signed_bytes
from recprune.encodings.watched import is_graph
from recprune.errors import SurgeryError

__all__ = ["SparseRows", "largest"]

GROUP = 16
"""Rows between two stored starts; what stands between them is counted when a row is looked up."""


class SparseRows(Codes):
    """codes: (entries,) values, row by row. starts: the number of values before every 16th row. Columns are told by a
    bit for every entry (`mask`, (rows, columns / 8) bytes) or by their numbers (`indices`, ascending inside a row, and
    `counts`, how many a row has), whichever takes less.

    Options: `entries`, how many are stored (a quarter where it is not said): the largest by magnitude, of equal ones
    the first; `floor=f`: but the f largest of every row before any other, the magnitude pruning with a floor a row of
    Tran et al. 2024. `bits=8` or `bits=4`: values as in `int8_rows` and `int4_rows`, with a scale a row; an even number
    of 4 bits. A matrix of which only some entries are not zero is stored as it is by naming their
    number. A row that is looked up is found by counting the bits of fewer than 16 rows.
    """

    known: ClassVar[frozenset[str]] = frozenset({"entries", "floor", "bits"})
    alone: ClassVar[bool] = False

    starts: Tensor
    mask: Tensor
    indices: Tensor
    counts: Tensor

    @classmethod
    def layout(cls, rows: int, columns: int, value: torch.dtype, **options: int) -> Layout:
        """Values, starts, columns and, for values of less than two bytes, scales."""
        entries, bits = _entries(rows, columns, options), options.get("bits", 0)
        out: Layout = {"codes": (value, (entries,)), "starts": (torch.int32, (-(-rows // GROUP),))}
        if bits:
            codes = (torch.int8, (entries,)) if bits == 8 else (torch.uint8, (entries // 2,))
            out |= {"codes": codes, "scale": (torch.bfloat16, (rows, 1))}
        width, index, count = -(-columns // 8), _whole(columns - 1), _whole(columns)
        if rows * width <= entries * index.itemsize + rows * count.itemsize:
            return out | {"mask": (torch.uint8, (rows, width))}
        return out | {"indices": (index, (entries,)), "counts": (count, (rows,))}

    @classmethod
    def parts(cls, matrix: Tensor, **options: int) -> dict[str, Tensor]:
        """The parts of a matrix, `like` left out."""
        rows, columns = matrix.shape
        layout = cls.layout(rows, columns, matrix.dtype, **options)
        kept = largest(matrix, _entries(rows, columns, options), options.get("floor", 0))
        bits, step = options.get("bits", 0), max(1, 4 * ENTRIES // columns)
        blocks = [_coded(*pair, bits) for pair in zip(torch.split(matrix, step), torch.split(kept, step), strict=True)]
        codes, *scale = (torch.cat(parts) for parts in zip(*blocks, strict=True))
        counts = kept.sum(1)
        out = {"codes": codes[0::2] | codes[1::2] << 4 if bits == 4 else codes}
        out |= {"scale": scale[0]} if scale else {}
        out["starts"] = (counts.cumsum(0) - counts)[::GROUP].to(torch.int32)
        if "mask" in layout:
            return out | {"mask": _joined(kept)}
        index, count = layout["indices"][0], layout["counts"][0]
        return out | {"indices": kept.nonzero()[:, 1].to(index), "counts": counts.to(count)}

    @classmethod
    def height(cls, parts: Mapping[str, Tensor]) -> int:
        """Rows of the matrix. Raises SurgeryError where no part tells them."""
        told = parts.get("mask", parts.get("counts"))
        if told is None or (told.dtype, told.dim()) != ((torch.uint8, 2) if "mask" in parts else (told.dtype, 1)):
            raise SurgeryError("columns of sparse rows are damaged: a mask of bytes, or indices and counts are needed")
        return len(told)

    @classmethod
    def options(cls, parts: Mapping[str, Tensor]) -> dict[str, int]:
        """How many entries there are, and the bits of a value."""
        told = _ones(parts["mask"]).sum() if "mask" in parts else parts["counts"].sum()
        bits = {torch.int8: 8, torch.uint8: 4}.get(parts["codes"].dtype, 0)
        return {"entries": max(int(told), 1), "bits": bits}

    @classmethod
    def stored_entries(cls, shape: Sequence[int], **options: int) -> int:
        """As many as `entries` says."""
        return _entries(shape[0], math.prod(shape[1:]), options)

    @property
    def entries(self) -> int:
        """Entries that are stored."""
        return self.codes.numel() * (2 if self.codes.dtype == torch.uint8 else 1)

    def check(self) -> None:
        """Raise SurgeryError where columns are none of the matrix or do not ascend, or starts do not count them."""
        rows, columns = self.shape
        counts = self._counts(0, rows).long()
        whole = bool((counts.cumsum(0) - counts)[::GROUP].equal(self.starts.long())) and bool((counts >= 0).all())
        if "mask" in self._buffers:
            whole = whole and not bool(_apart(self.mask)[:, columns:].any())
        else:
            places = self.indices.long()
            owner = torch.repeat_interleave(torch.arange(rows, device=places.device), counts.clamp(min=0))
            rise = bool((owner.diff() + places.diff().clamp(0, 1) > 0).all()) if len(owner) == len(places) else False
            whole = whole and rise and bool(((places >= 0) & (places < columns)).all())
        if not whole:
            raise SurgeryError("sparse rows are damaged: columns must rise inside a row, and starts must count them")

    def rows(self, indices: Tensor) -> Tensor:
        """(..., columns): decoded rows, for indices of any shape; no other row is decoded."""
        flat = indices.reshape(-1)
        first = flat // GROUP * GROUP
        near = (first.unsqueeze(1) + torch.arange(GROUP, device=flat.device)).clamp(max=self.shape[0] - 1)
        before = torch.where(near < flat.unsqueeze(1), self._counted(near), 0).sum(1)
        starts = self.starts.index_select(0, flat // GROUP).long() + before
        return self._filled(flat, starts, self.dtype).reshape(*indices.shape, self.columns)

    def dense(self) -> Tensor:
        """The whole decoded matrix, or tensor where it has more axes."""
        found = self._block(0, self.shape[0], self.dtype)
        return found if self.like.dim() == 2 else found.view(-1, *self.like.shape[1:])

    def _product(self, x: Tensor, begin: int, end: int, out: Tensor | None) -> Tensor:
        return torch.mm(x, self._block(begin, end, x.dtype).T, out=out)

    def _block(self, begin: int, end: int, dtype: torch.dtype) -> Tensor:
        """Decoded rows begin..end."""
        first = begin // GROUP
        counts = self._counts(first * GROUP, end).long()
        starts = self.starts[first].long() + (counts.cumsum(0) - counts)[begin - first * GROUP :]
        return self._filled(torch.arange(begin, end, device=starts.device), starts, dtype)

    def _counts(self, begin: int, end: int) -> Tensor:
        return _ones(self.mask[begin:end]) if "mask" in self._buffers else self.counts[begin:end]

    def _counted(self, which: Tensor) -> Tensor:
        return _ones(self.mask[which]) if "mask" in self._buffers else self.counts[which].long()

    def _filled(self, which: Tensor, starts: Tensor, dtype: torch.dtype) -> Tensor:
        """(picked, columns) rows, zero where nothing is stored. starts: (picked,) where the values of each begin."""
        columns = self.columns
        if "mask" in self._buffers:
            there = _apart(self.mask.index_select(0, which))[:, :columns]
            places = starts.unsqueeze(1) + there.cumsum(1) - 1
            rows = torch.where(there.bool(), self._values(places, dtype), torch.zeros((), dtype=dtype))
        else:
            counts = self.counts[which].long()
            width = columns if is_graph() else int(counts.max()) if len(counts) else 0
            number = torch.arange(width, device=which.device)
            places = starts.unsqueeze(1) + number
            column = self.indices[places.clamp(max=self.indices.shape[0] - 1)].long()
            column = torch.where(number < counts.unsqueeze(1), column, columns)
            blank = torch.zeros(which.shape[0], columns + 1, dtype=dtype, device=which.device)
            rows = blank.scatter(1, column, self._values(places, dtype))[:, :columns]
        scale = self._buffers.get("scale")
        return rows if scale is None else rows * scale.index_select(0, which).to(dtype)

    def _values(self, places: Tensor, dtype: torch.dtype) -> Tensor:
        """The numbers at some places, not yet scaled; of a place that is none, any."""
        places = places.clamp(0, self.entries - 1)
        if self.codes.dtype != torch.uint8:
            return self.codes[places].to(dtype)
        pair = self.codes[places // 2].int()
        return torch.where(places % 2 == 1, pair >> 4, pair & 15).to(dtype) - Int4Rows.middle

    @classmethod
    def bound(cls, matrix: Tensor, **options: int) -> Tensor:
        """What is left out, and how far codes are off."""
        kept = largest(matrix, _entries(matrix.shape[0], matrix.shape[1], options), options.get("floor", 0))
        left: Tensor = matrix.masked_fill(kept, 0.0).norm(dim=1)
        stays = matrix.masked_fill(~kept, 0.0)
        bits = options.get("bits", 0)
        if bits == 8:
            left += signed_bytes(stays)["scale"].squeeze(1).to(left.dtype) / 2 * kept.sum(1) ** 0.5
        return left.add_(Int4Rows.bound(stays)) if bits == 4 else left


def largest(matrix: Tensor, entries: int, floor: int = 0) -> Tensor:
    """(rows, columns) bool: the `entries` largest by magnitude, but the `floor` largest of every row before any other;
    of equal ones the first."""
    sizes = matrix.detach().abs()
    if floor:
        first = sizes.sort(dim=1, descending=True, stable=True).indices[:, :floor]
        sizes = sizes.scatter(1, first, torch.inf)
    order = sizes.flatten().sort(descending=True, stable=True).indices[:entries]
    return torch.zeros_like(sizes, dtype=torch.bool).flatten().index_fill_(0, order, True).view_as(sizes)


def _entries(rows: int, columns: int, options: Mapping[str, int]) -> int:
    """Entries that are stored."""
    asked, floor, bits = options.get("entries"), options.get("floor", 0), options.get("bits", 0)
    if bits not in (0, 4, 8):
        raise SurgeryError(f"values are stored as they are, in 8 or in 4 bits, not in {bits}")
    if (asked is not None and asked < 1) or floor < 0:
        raise SurgeryError(f"entries is 1 or more and floor 0 or more, not {asked} and {floor}")
    found = min(math.ceil(rows * columns / 4) if asked is None else asked, rows * columns)
    found -= found % 2 if bits == 4 else 0
    if not found or found < rows * min(floor, columns):
        raise SurgeryError(f"{found:,} entries in {rows:,} rows leave no {max(floor, 1)} to each; raise their number")
    return found


def _coded(rows: Tensor, kept: Tensor, bits: int) -> tuple[Tensor, ...]:
    """Values of the entries that are kept, row by row, and scales where they are codes."""
    if not bits:
        return (rows[kept],)
    rows = rows.masked_fill(~kept, 0.0)
    if bits == 8:
        parts = signed_bytes(rows)
        return parts["codes"][kept], parts["scale"]
    made = Int4Rows.encode(rows)
    return made.numbers(lambda part: part, torch.float32).to(torch.uint8)[kept], made.get_buffer("scale")


def _joined(kept: Tensor) -> Tensor:
    """Eight columns a byte, the first in the lowest bit."""
    wide = torch.nn.functional.pad(kept, (0, -kept.shape[1] % 8)).view(len(kept), -1, 8)
    return (wide.to(torch.uint8) << torch.arange(8, dtype=torch.uint8, device=kept.device)).sum(2, dtype=torch.uint8)


def _apart(mask: Tensor) -> Tensor:
    """(rows, 8 * bytes) the bits of bytes, each 0 or 1."""
    wide = mask.int()  # ONNX shifts by numbers, and bytes as signed ones
    return torch.stack([(wide >> place) & 1 for place in range(8)], 2).flatten(1)


def _ones(mask: Tensor) -> Tensor:
    """(...,) how many bits of (..., bytes) are set, by sums of neighbours."""
    pairs = mask.int()
    pairs = pairs - ((pairs >> 1) & 0x55)
    fours = (pairs & 0x33) + ((pairs >> 2) & 0x33)
    return ((fours + (fours >> 4)) & 0x0F).sum(-1)


def _whole(largest: int) -> torch.dtype:
    """The shortest type of whole numbers up to this one."""
    if largest < 2**8:
        return torch.uint8
    return torch.int16 if largest < 2**15 else torch.int32
