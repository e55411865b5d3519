"""Catalogue: rows of items, of which the k best for a query are found, exactly and without writing all scores down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from recprune.dispatch import kernels
from recprune.encodings.faces import Packed
from recprune.errors import DataError
from recprune.kernels.slow import SlowTable
from recprune.kernels.stored import KINDS, Stored, stored
from recprune.kernels.top import Ragged, Top, as_count, as_items, as_numbers, as_ragged

__all__ = ["Catalogue"]

Numbers = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Items to recommend: score(query, i) = (query · row_i) * scale_i + bias_i.

    Scores are defined to the bit: dot products of float32 numbers are summed up in float64, in one fixed order, so that
    every machine lists the same items. To be fast, all rows are passed over in few bits (`scan`), with a bound on
    how far a score can be off, and only items that could be among the best are counted exactly. What is bound is the
    angle between a query and what a row loses (Cauchy-Schwarz): rows lie from the longest to the shortest, and the
    scan ends where even a parallel row would come too late.

    n: items, dim: length of a query. Made by `of`; never changes; many threads may ask at a time.
    """

    n: int
    dim: int
    table: Any
    turn: Numbers | None = None

    @classmethod
    def of(
        cls,
        items: Tensor | NDArray[np.floating] | nn.Module,
        *,
        scale: ArrayLike | Tensor | None = None,
        bias: ArrayLike | Tensor | None = None,
        scan: str | None = None,
        without: Sequence[int] = (),
    ) -> Catalogue:
        """Rows of a table, (n, dim) floats, or of a module with a `weight`; a packed one is served from its codes.

        scale, bias: (n,). scan: how rows are passed over, "int8" (a byte an entry beside the table, which is lent, not
        copied), "bf16" or "float32"; packed int8 and int4 rows are passed over as they are, product codes by "int8"
        or as they are by "product", which is fast where the machine has AVX-512 with VBMI. The fastest when not said.
        without: items that are never listed. Raises DataError for numbers that are not finite, or larger than 2^120,
        and for other shapes.

        >>> Catalogue.of(model.item, bias=model.bias, without=[0]).top(query, 20, seen).items
        """
        held = stored(items.stored if isinstance(items, Packed) else items, scan)
        n = len(held.rows)
        weight = _joined(held.scale, None if scale is None else as_numbers(scale, "scale", (n,)))
        added = None if bias is None else as_numbers(bias, "bias", (n,))
        order = _order(held, weight, without)
        native = kernels()
        if native is None:
            return cls(n, held.columns, SlowTable(held, order, weight, added), held.turn)
        module, level = native
        kinds = KINDS.index(held.kind), KINDS.index(held.scan)
        books = held.books or (None, None)
        table = module.Table(level, held.rows, *kinds, held.columns, order, weight, added, *books)
        return cls(n, held.columns, table, held.turn)

    @property
    def bytes(self) -> int:
        """Bytes that are read for a query that skips nothing."""
        return int(self.table.bytes)

    def top(self, query: Tensor | NDArray[np.floating], k: int, exclude: ArrayLike | Tensor | None = None) -> Top:
        """The k items with the highest score for a query (dim,), but none of `exclude`; fewer where fewer are left.

        exclude: numbers of items in any order. Raises DataError for a k below 1, a query of another length or that is
        not finite, and for items that there are not.
        """
        if self.turn is None and (best := self.table.best(query, k, exclude)) is not None:
            lean: Top = best
            return lean
        one = self._turned(as_numbers(query, "a query", (self.dim,)))
        room = min(as_count(k), self.n)
        items, scores = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.float32)
        found = self.table.top(one, max(room, 1), None if exclude is None else as_items(exclude), items, scores)
        return Top(items[:found], scores[:found])

    def top_of_all(
        self,
        queries: Tensor | NDArray[np.floating],
        k: int,
        exclude: Ragged | None = None,
    ) -> Top:
        """The k best items for each of (users, dim) queries: (users, k) items and scores, -1 and -inf where fewer are
        left.

        exclude: (starts, items), what to leave out for user u is items[starts[u]:starts[u + 1]], as in `Histories`.
        Some users at a time pass over a piece of the catalogue that stays in the cache; no (users, n) scores are held.
        Raises DataError as `top` does.
        """
        many = self._turned(as_numbers(queries, "queries", (-1, self.dim)))
        shape = len(many), as_count(k)
        items, scores = np.empty(shape, dtype=np.int64), np.empty(shape, dtype=np.float32)
        starts, out = (None, None) if exclude is None else as_ragged(exclude)
        self.table.top_of_all(many, shape[1], starts, out, items, scores)
        return Top(items, scores)

    def _turned(self, queries: Numbers) -> Numbers:
        return queries if self.turn is None else np.ascontiguousarray(queries @ self.turn)


def _joined(one: Numbers | None, other: Numbers | None) -> Numbers | None:
    return other if one is None else one if other is None else one * other


def _order(held: Stored, weight: Numbers | None, without: Sequence[int]) -> NDArray[np.int32]:
    """Items from the longest row to the shortest, of equal ones the first."""
    size = held.lengths() if weight is None else held.lengths() * np.abs(weight)
    order = np.argsort(-size, kind="stable").astype(np.int32)
    out = np.asarray(list(without), dtype=np.int64)
    if len(out) and (out.min() < 0 or out.max() >= len(size)):
        raise DataError(f"an item to leave out is none of the {len(size)} there are", items=out)
    return order[~np.isin(order, out)] if len(out) else order
