"""An item-item matrix by the entries that stay: values and small indices, row by row, served without unpacking."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.errors import SurgeryError
from recprune.tracing.site import Cut, Kind, Site

__all__ = ["ItemItem", "by_entries", "stored_bytes"]


HELD = 2**22
"""Numbers that are held at once when entries get their gradient."""

TINY = 1e-12
"""Stands for the sum of a row or column without entries."""

FEW = 8
"""Rows up to which a product the other way round goes entry by entry."""


def _index_dtype(columns: int) -> torch.dtype:
    return torch.int16 if columns <= 2**15 else torch.int32


def by_entries(encoding: str | None) -> bool:
    """Whether entries leave a tensor through this encoding: what stays is an `ItemItem`, and may then be packed."""
    return encoding is not None and encoding.partition("(")[0] in ("item_item", "item_bytes", "pair_bits", "pair_gaps")


def stored_bytes(shape: Sequence[int], entries: int, value_bytes: int = 4) -> int:
    """Bytes of an encoded (rows, columns) matrix: a value and an index an entry, a 4-byte start a row."""
    rows, columns = shape
    return entries * (value_bytes + _index_dtype(columns).itemsize) + 4 * (rows + 1)


@cache
def _quiet_once() -> None:
    """torch says once a process that its sparse rows are young; say it where nobody is bothered."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.sparse_csr_tensor(torch.tensor([0, 1]), torch.tensor([0]), torch.ones(1), (1, 1))


class ItemItem(nn.Module):
    """Scores from a sparse matrix W (rows = items to score, columns = items of the history): history @ W.T.

    values: (entries,) float Parameter, row by row; indices: (entries,) int16 or int32, the column of each value,
    ascending inside a row; indptr: (rows + 1,) int32, where each row starts. Takes the place of a dense
    `nn.Linear(columns, rows, bias=False)`. More entries can leave: see `prunable`.
    """

    pointers: ClassVar[Mapping[str, str]] = {"indptr": "values"}

    def __init__(self, values: Tensor, indices: Tensor, indptr: Tensor, columns: int) -> None:
        super().__init__()
        self.in_features, self.out_features = columns, len(indptr) - 1
        self.values = nn.Parameter(values)
        self.register_buffer("indices", indices.to(_index_dtype(columns)))
        self.register_buffer("indptr", indptr.to(torch.int32))
        self.indices: Tensor
        self.indptr: Tensor

    @classmethod
    def encode(cls, matrix: Tensor, kept: Tensor) -> ItemItem:
        """Keep the entries at the flattened positions `kept` (ascending) of a dense (rows, columns) matrix."""
        rows, columns = matrix.shape
        counts = torch.bincount(kept // columns, minlength=rows)
        indptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return cls(matrix.detach().reshape(-1)[kept].clone(), kept % columns, indptr, columns)

    @classmethod
    def rebuilt(cls, parts: Mapping[str, Tensor], columns: int) -> ItemItem:
        """The matrix from its stored parts. Raises SurgeryError where these are not what `encode` makes."""
        missing = {"values", "indices", "indptr"} - parts.keys()
        if missing:
            raise SurgeryError(f"an item-item matrix is not whole: {', '.join(sorted(missing))} missing")
        if any(part.dim() != 1 for part in parts.values()):
            raise SurgeryError("an item-item matrix is stored as three rows of numbers")
        made = cls(parts["values"], parts["indices"], parts["indptr"], columns)
        if bool((made.indices != parts["indices"]).any()) or bool((made.indptr != parts["indptr"]).any()):
            raise SurgeryError(f"item-item indices are damaged: they do not fit {made.indices.dtype}")
        made.check()
        return made

    def prunable(self) -> Iterator[Site]:
        """Every entry that is there can leave; `indptr` counts those that stay."""
        if len(self.values) > 1:
            cuts, shape = (Cut("values", 0), Cut("indices", 0)), (self.out_features, self.in_features)
            known = not (self.indptr.is_meta or self.indices.is_meta)
            where = (self.indptr.cpu().numpy(), self.indices.cpu().numpy()) if known else None
            yield Site("entry", Kind.ENTRY, len(self.values), cuts, matrix=shape, where=where)

    def check(self) -> None:
        """Raise SurgeryError where the indices are no valid sparse matrix: done before they are used."""
        starts, columns = self.indptr.long(), self.indices.long()
        inside = bool(((columns >= 0) & (columns < self.in_features)).all())
        good = len(starts) > 0 and int(starts[0]) == 0 and int(starts[-1]) == len(columns) == len(self.values)
        if not good or bool((starts.diff() < 0).any()) or not inside:
            raise SurgeryError("item-item indices are damaged: starts must rise from 0 to the number of entries")
        rows = self.rows()
        same = rows[1:] == rows[:-1]
        if bool((same & (columns[1:] <= columns[:-1])).any()):
            raise SurgeryError("item-item indices are damaged: columns must rise inside a row")

    def rows(self) -> Tensor:
        """(entries,) row of every entry."""
        starts = self.indptr[1:-1].long()
        passed = starts.new_zeros(len(self.values) + 1).index_add(0, starts, torch.ones_like(starts))
        return passed.cumsum(0)[:-1]

    def first_columns(self) -> Tensor:
        """(rows,) int64 the column of the first entry of every row, `in_features` where there is none."""
        starts, none = self.indptr.long(), self.indices.new_tensor([self.in_features], dtype=torch.int64)
        first = torch.cat([self.indices.long(), none])[starts[:-1]]
        return torch.where(starts.diff() > 0, first, none)

    def arranged(self, order: Tensor) -> ItemItem:
        """The same rows in another order. order: (rows,), of each the row that stands there then."""
        counts = self.indptr.long().diff()[order]
        ends = counts.cumsum(0)
        at = torch.repeat_interleave(self.indptr.long()[:-1][order] - (ends - counts), counts)
        at = at + torch.arange(len(at))
        starts = torch.cat([ends.new_zeros(1), ends])
        return ItemItem(self.values.detach()[at], self.indices[at], starts, self.in_features)

    def dense(self) -> Tensor:
        """The (rows, columns) matrix with zeros where entries left."""
        out = self.values.new_zeros(self.out_features, self.in_features)
        return out.index_put((self.rows(), self.indices.long()), self.values)

    def walk(self, x: Tensor) -> Tensor:
        """(batch, columns) where walks end that begin at columns by x (batch, columns), go on to a row that has an
        entry there and from it to another column: a step takes each entry by its share of its column, then of its row.
        What comes back to where it began does not count.

        x D W' E W with the diagonal matrices D and E of one over the sums of columns and rows; values are 0 or more.
        """
        rows, columns = self.rows(), self.indices.long()
        of_rows = self.values.new_zeros(self.out_features).index_add(0, rows, self.values)
        of_columns = self.values.new_zeros(self.in_features).index_add(0, columns, self.values)
        tiny = max(TINY, torch.finfo(of_rows.dtype).tiny)
        ways = 1 / of_rows.clamp(min=tiny)
        start = x / of_columns.clamp(min=tiny).to(x.dtype)
        returns = torch.zeros_like(of_columns).index_add(0, columns, self.values.square() * ways[rows])
        ends = self.back(self(start) * ways.to(x.dtype))
        return (ends - start * returns.to(x.dtype)).clamp(min=0)

    def block(self, begin: int, end: int) -> Tensor:
        """Rows begin..end of it, dense: (end - begin or fewer, columns)."""
        end = min(end, self.out_features)
        first, last = int(self.indptr[begin]), int(self.indptr[end])
        rows = torch.repeat_interleave(torch.arange(end - begin), self.indptr[begin : end + 1].diff().long())
        out = self.values.new_zeros(end - begin, self.in_features).detach()
        return out.index_put((rows, self.indices[first:last].long()), self.values[first:last].detach())

    def forward(self, history: Tensor) -> Tensor:
        """history: (batch, columns) -> scores (batch, rows), in the precision of the values; to be exported, by
        operations that every runtime has."""
        if history.dtype != self.values.dtype:
            history = history.to(self.values.dtype)
        if torch.compiler.is_exporting() or history.requires_grad or history.device.type == "meta":
            weighed = history[:, self.indices.long()] * self.values
            out = history.new_zeros(history.shape[0], self.out_features)
            return out.index_add(1, self.rows(), weighed)
        if torch.is_grad_enabled() and self.values.requires_grad:
            found: Tensor = _Product.apply(self.values, history, self)  # type: ignore[no-untyped-call]
            return found
        return self.product(history)

    def product(self, history: Tensor) -> Tensor:
        """history @ W.T by the entries alone, without a gradient."""
        return _times(self.indptr, self.indices, self.values, self.in_features, history)

    def back(self, x: Tensor) -> Tensor:
        """x @ W for x (batch, rows): (batch, columns), the other way round."""
        if torch.compiler.is_exporting() or x.device.type == "meta":
            weighed = x[:, self.rows()] * self.values
            return x.new_zeros(x.shape[0], self.in_features).index_add(1, self.indices.long(), weighed)
        if torch.is_grad_enabled() and (self.values.requires_grad or x.requires_grad):
            found: Tensor = _Back.apply(self.values, x, self)  # type: ignore[no-untyped-call]
            return found
        return self.product_back(x)

    def product_back(self, x: Tensor) -> Tensor:
        """The same without a gradient: for few x entry by entry, for many by the entries of each column together."""
        columns, values = self.indices.long(), self.values.detach()
        if len(x) <= FEW:
            out = x.new_zeros(len(x), self.in_features)
            return out.index_add_(1, columns, x[:, self.rows()] * values)
        order = columns.argsort(stable=True)
        starts = torch.bincount(columns, minlength=self.in_features).cumsum(0)
        return _times(F.pad(starts, (1, 0)), self.rows()[order], values[order], self.out_features, x)


def _times(starts: Tensor, indices: Tensor, values: Tensor, columns: int, x: Tensor) -> Tensor:
    """x @ S.T for the matrix S of so many columns that is given by its rows."""
    _quiet_once()
    shape, both = (len(starts) - 1, columns), (starts.to(torch.int32), indices.to(torch.int32))
    wide = torch.promote_types(values.dtype, torch.float32)  # torch has no sparse product of half precision
    matrix = torch.sparse_csr_tensor(*both, values.detach().to(wide), shape, check_invariants=False)
    return (matrix @ x.to(wide).T).T.to(x.dtype)


class _Product(torch.autograd.Function):
    """The product, and the gradient of the entries, some at a time: never (batch, entries) numbers."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, history: Tensor, items: ItemItem) -> Tensor:
        ctx.save_for_backward(history)
        ctx.items = items
        return items.product(history)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (history,), items = ctx.saved_tensors, ctx.items
        return _of_entries(gradient, items.rows(), history, items.indices.long()), None, None


class _Back(torch.autograd.Function):
    """The product the other way round, with gradients of the entries and of what is multiplied."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, x: Tensor, items: ItemItem) -> Tensor:
        ctx.save_for_backward(x)
        ctx.items = items
        return items.product_back(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        (x,), items = ctx.saved_tensors, ctx.items
        return _of_entries(x, items.rows(), gradient, items.indices.long()), items.product(gradient), None


def _of_entries(left: Tensor, rows: Tensor, right: Tensor, columns: Tensor) -> Tensor:
    """(entries,) the sum over the batch of left at the row times right at the column of every entry."""
    step = max(1, HELD // len(left))
    parts = [
        torch.einsum("be,be->e", left[:, rows[a : a + step]], right[:, columns[a : a + step]])
        for a in range(0, len(rows), step)
    ]
    return torch.cat(parts) if parts else left.new_zeros(0)
