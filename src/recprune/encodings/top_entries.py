"""The k largest entries of every row, with their columns; the others are zero. Row-uniform, so rows need no start."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from recprune.encodings.codes import Codes, Layout, Pick
from recprune.encodings.int8_rows import signed_bytes
from recprune.encodings.watched import is_graph
from recprune.errors import SurgeryError

__all__ = ["TopEntries"]

SPARSE = 8
"""Where no more than one entry in so many is stored, queries are gathered by column instead of rows being filled up."""

FEW = 8
"""Queries from which on gathering all of a column at once is faster."""


class TopEntries(Codes):
    """codes: (rows, k) values; indices: (rows, k) their columns, ascending (one byte up to 256 columns, then two).

    Options: `k`, entries a row (a quarter of the columns where it is not said); `bits=8`: values as in `int8_rows`,
    with a scale a row. The largest entries by magnitude stay, as many in every row: magnitude pruning with the floor a
    row of Tran et al. 2024 at its highest. Of equal ones the first columns stay.
    """

    known: ClassVar[frozenset[str]] = frozenset({"k", "bits"})

    indices: Tensor

    @classmethod
    def layout(cls, rows: int, columns: int, value: torch.dtype, **options: int) -> Layout:
        """Values, their columns and, for values of a byte, scales."""
        k = _size(columns, options.get("k"))
        index: Layout = {"indices": (_index_dtype(columns), (rows, k))}
        if not _bytes(options):
            return {"codes": (value, (rows, k)), **index}
        return {"codes": (torch.int8, (rows, k)), "scale": (torch.bfloat16, (rows, 1)), **index}

    @classmethod
    def coded(cls, rows: Tensor, **options: int) -> dict[str, Tensor]:
        """The largest entries of some rows."""
        columns = rows.shape[1]
        order = rows.abs().sort(dim=1, descending=True, stable=True).indices
        places = order[:, : _size(columns, options.get("k"))].sort(1).values
        values = rows.gather(1, places)
        parts = signed_bytes(values) if _bytes(options) else {"codes": values}
        return {**parts, "indices": places.to(_index_dtype(columns))}

    @classmethod
    def options(cls, parts: Mapping[str, Tensor]) -> dict[str, int]:
        """k and the size of a value."""
        return {"k": parts["codes"].shape[1], **({"bits": 8} if "scale" in parts else {})}

    @classmethod
    def stored_entries(cls, shape: Sequence[int], **options: int) -> int:
        """k a row."""
        return shape[0] * _size(math.prod(shape[1:]), options.get("k"))

    @property
    def entries(self) -> int:
        """Entries that are stored."""
        return self.codes.numel()

    def check(self) -> None:
        """Raise SurgeryError where columns are none of the matrix or do not ascend."""
        columns = self.indices.long()
        inside = bool(((columns >= 0) & (columns < self.columns)).all())
        if not inside or bool((columns.diff(dim=1) <= 0).any()):
            raise SurgeryError("indices of the largest entries are damaged: they must rise inside a row")

    def numbers(self, pick: Pick, dtype: torch.dtype) -> Tensor:
        """Rows with zeros where nothing is stored."""
        values = pick(self.codes).to(dtype)
        rows = values.new_zeros(values.shape[0], self.columns)
        return rows.scatter(1, pick(self.indices).long(), values)

    def _product(self, x: Tensor, begin: int, end: int, out: Tensor | None) -> Tensor:
        k = self.codes.shape[1]
        if k * SPARSE > self.columns:
            return super()._product(x, begin, end, out)
        scale = self._buffers.get("scale")
        values, places = self.codes[begin:end].to(x.dtype), self.indices[begin:end].int()
        if scale is not None:
            values = values * scale[begin:end].to(x.dtype)
        if is_graph() or len(x) < FEW:
            product = (x.index_select(1, places.flatten()).view(-1, end - begin, k) * values).sum(2)
        else:
            product = F.embedding_bag(places, x.T.contiguous(), per_sample_weights=values, mode="sum").T
        return product if out is None else out.copy_(product)

    @classmethod
    def bound(cls, matrix: Tensor, **options: int) -> Tensor:
        """What is left out, and half a scale for every entry that is coded."""
        kept = cls.coded(matrix, **options)
        left: Tensor = matrix.scatter(1, kept["indices"].long(), 0.0).norm(dim=1)
        scale = kept.get("scale")
        if scale is not None:
            left = left + scale.squeeze(1).to(left.dtype) / 2 * kept["codes"].shape[1] ** 0.5
        return left


def _size(columns: int, k: int | None) -> int:
    """Entries that are stored of a row."""
    if k is None:
        return math.ceil(columns / 4)
    if k < 1:
        raise SurgeryError(f"k is 1 or more, not {k}")
    return min(k, columns)


def _bytes(options: Mapping[str, int]) -> bool:
    bits = options.get("bits", 0)
    if bits not in (0, 8):
        raise SurgeryError(f"values are stored as they are or in 8 bits, not in {bits}")
    return bits == 8


def _index_dtype(columns: int) -> torch.dtype:
    if columns <= 2**8:
        return torch.uint8
    return torch.int16 if columns <= 2**15 else torch.int32
