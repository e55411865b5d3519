"""Walks: factors beside a memory of who had what, and the best of what both say of a history, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from recprune.dispatch import kernels
from recprune.encodings.codes import Codes
from recprune.encodings.faces import Packed, lengths
from recprune.encodings.item_bytes import ItemBytes
from recprune.encodings.item_item import ItemItem
from recprune.encodings.pairs import Pairs
from recprune.encodings.product_rows import ProductRows
from recprune.errors import DataError
from recprune.kernels.neighbours import by_columns
from recprune.kernels.slow_walks import SlowWalks
from recprune.kernels.stored import product_parts
from recprune.kernels.top import Ragged, Top, as_count, as_items, as_ragged

__all__ = ["Walks"]

Lists = tuple[NDArray[np.int64], NDArray[np.int32]]
"""Starts and places: those of row u are places[starts[u]:starts[u + 1]]."""


@dataclass(frozen=True, slots=True, eq=False)
class Walks:
    """score(j) = log(p(j) + share * q(j) + 1e-20) of a history, an item of which counts once.

    p: the softmax over all items of cos(sum of rows of the history, row j) / temperature. q: where walks end that lead
    from an item of the history to a user who had it and on to another item of theirs; or the sum of entries that lead
    from the history to j; in shares of all. float32, in one fixed order; numpy, which runs where C does not, adds up in
    another. Rows of `product_rows` are read as they are stored, others as float32.

    items: rows of the factors. Made by `over_users` or `over_entries`; never changes; many threads may ask at a time.
    """

    items: int
    held: Any

    @classmethod
    def over_users(
        cls,
        factors: nn.Module,
        pairs: ItemItem | Pairs | Packed,
        *,
        temperature: float,
        share: float,
        without: Sequence[int] = (),
    ) -> Walks:
        """Walks over who had what: pairs, (users, items), whose values are all alike. Memory: 8 bytes a pair.

        factors: an embedding, or what stands in its place where it is packed. without: items that are never listed.
        Raises DataError for values that are not alike, and for parts that do not go together.
        """
        by_user, users, items = _pairs(pairs)
        order = np.argsort(items, kind="stable")
        n_items = _height(factors)
        if len(items) and items.max() >= n_items:
            raise DataError(f"a memory of item {items.max()}, and factors of {n_items} items")
        starts = np.concatenate([[0], np.cumsum(np.bincount(items, minlength=n_items))])
        by_item = starts, np.ascontiguousarray(users[order]), None
        return cls._made(factors, temperature, share, without, by_item, (by_user, items))

    @classmethod
    def over_entries(
        cls,
        factors: nn.Module,
        matrix: ItemItem | ItemBytes | Packed,
        *,
        temperature: float,
        share: float,
        without: Sequence[int] = (),
    ) -> Walks:
        """Entries of an item-item matrix, 0 or more: rows are items that get a score, columns those of the history.

        The rest is as in `over_users`.
        """
        starts, places, values = by_columns(matrix)
        return cls._made(factors, temperature, share, without, (starts, places.astype(np.int32), values), None)

    @classmethod
    def _made(
        cls,
        factors: nn.Module,
        temperature: float,
        share: float,
        without: Sequence[int],
        had: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32] | None],
        by: Lists | None,
    ) -> Walks:
        with torch.no_grad():
            inverse = (1 / lengths(factors).float()).numpy()
        rows, books = _factors(factors)
        never = as_items(np.asarray(list(without), dtype=np.int64))
        native = kernels()
        make: Any = SlowWalks.of if native is None else native[0].Walks
        level = 0 if native is None else native[1]
        return cls(len(rows), make(level, float(temperature), float(share), never, rows, books, inverse, had, by))

    def top(self, history: ArrayLike | Tensor, k: int, exclude: ArrayLike | Tensor | None = None) -> Top:
        """The k best items for a history, fewer where fewer are left.

        history: items in any order. exclude: items that are not listed, those of the history where it is not said.
        Raises DataError for items that there are not.
        """
        if (best := self.held.best(history, k, exclude)) is not None:
            lean: Top = best
            return lean
        mine = as_items(history)
        room = min(as_count(k), self.items)
        items, scores = np.empty(room, np.int64), np.empty(room, np.float32)
        found = self.held.top(mine, room, None if exclude is None else as_items(exclude), items, scores)
        return Top(items[:found], scores[:found])

    def top_of_all(self, histories: Ragged, k: int, exclude: Ragged | None = None) -> Top:
        """The k best items for every history: (users, k) items and scores, -1 and -inf where fewer are left.

        histories, exclude: (starts, items), those of user u are items[starts[u]:starts[u + 1]]. One user comes after
        the other, and no more scores than of one are held. Raises DataError as `top` does.
        """
        starts, mine = as_ragged(histories)
        out_starts, out = (None, None) if exclude is None else as_ragged(exclude)
        shape = max(len(starts) - 1, 0), as_count(k)
        items, scores = np.empty(shape, dtype=np.int64), np.empty(shape, dtype=np.float32)
        self.held.top_of_all(starts, mine, shape[1], out_starts, out, items, scores)
        return Top(items, scores)


def _height(factors: nn.Module) -> int:
    there: Any = factors
    return int(there.num_embeddings)


def _pairs(pairs: ItemItem | Pairs | Packed) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Starts of users, and user and item of every pair; those whose value is 0 are left out."""
    held = pairs.stored if isinstance(pairs, Packed) else pairs
    if not isinstance(held, ItemItem | Pairs):
        raise DataError(f"who had what is an ItemItem, PairBits or PairGaps, not a {type(held).__name__}")
    opened = held.opened() if isinstance(held, Pairs) else held
    values = opened.values.detach()
    there = values != 0
    if bool((values[there] != values[there][:1]).any()) or bool((values < 0).any()):
        raise DataError("who had what is told by values that are all alike, and above 0; these are not")
    users, items = opened.rows()[there].numpy(), opened.indices[there].numpy()
    starts = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=opened.out_features))])
    return starts, users.astype(np.int32), np.ascontiguousarray(items.astype(np.int32))


def _factors(factors: Any) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
    """Codes and their books, or rows of float32."""
    held = factors.stored if isinstance(factors, Packed) else None
    if isinstance(held, ProductRows):
        rows, books, edges = product_parts(held)
        return rows, (*books, edges)
    weight: Tensor = held.dense() if isinstance(held, Codes) else factors.weight.detach()
    return np.ascontiguousarray(weight.float().numpy()), None
