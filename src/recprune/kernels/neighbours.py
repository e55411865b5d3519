"""Neighbours: an item-item matrix that answers a history by the entries of its own items alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from recprune.dispatch import kernels
from recprune.encodings.faces import Packed
from recprune.encodings.item_bytes import ItemBytes
from recprune.encodings.item_item import ItemItem
from recprune.errors import DataError
from recprune.kernels.products import columns_of_rows
from recprune.kernels.slow import check_starts
from recprune.kernels.slow_neighbours import SlowNeighbours
from recprune.kernels.top import Ragged, Top, as_count, as_items, as_numbers, as_ragged

__all__ = ["Neighbours", "by_columns"]

TINY = np.float32(1e-45)
"""Stands for the scale of a row without entries, so that what is taken out of it (-inf) stays out."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Items to recommend by what goes with the items of a history: score(i) = scale_i * sum over j of weight_j W[i, j].

    Sums are float32, from the lowest item of the history to the highest, and then scaled where entries are codes:
    every machine lists the same. An item that no entry leads to scores 0, and is listed by its number where fewer than
    k score more. Reads the columns of the history and looks only at what they touched.

    items: rows of W, those that can be recommended; known: columns, those that a history can hold.
    """

    items: int
    known: int
    matrix: Any

    @classmethod
    def of(
        cls,
        matrix: ItemItem | ItemBytes | Packed | nn.Linear,
        *,
        scale: ArrayLike | Tensor | None = None,
        without: Sequence[int] = (),
    ) -> Neighbours:
        """The entries of a matrix as they stay after pruning, or all of a Linear without bias. Those of `item_bytes`
        are lent, others are copied, column by column: 8 bytes an entry, 4 where all are there. scale: (rows,), 1 where
        not said. without: items that are never listed. Raises DataError where the parts of a matrix are damaged or not
        finite, and for a scale that is not finite or not above 0.

        >>> Neighbours.of(model.items, scale=model.scale, without=[0]).top(history, 20).items
        """
        shape, parts = _all_of(matrix) if isinstance(matrix, nn.Linear) else _parts(matrix)
        if scale is not None:
            parts = _scaled(parts, as_numbers(scale, "scale", (shape[0],)))
        native = kernels()
        never = as_items(np.asarray(list(without), dtype=np.int64))
        made: Any = SlowNeighbours.of if native is None else native[0].Neighbours
        return cls(*shape, made(0 if native is None else native[1], *shape, never, *parts))

    def top(
        self,
        history: ArrayLike | Tensor,
        k: int,
        exclude: ArrayLike | Tensor | None = None,
        *,
        weights: ArrayLike | Tensor | None = None,
    ) -> Top:
        """The k best items for a history, fewer where fewer are left.

        history: items in any order; one that comes twice counts twice. exclude: items that are not listed, those of the
        history where it is not said. weights: one number for each item of the history, 1 where not said. Raises
        DataError for items that there are not, and for weights that are not finite.
        """
        if weights is None and (best := self.matrix.best(history, k, exclude)) is not None:
            lean: Top = best
            return lean
        mine, given = as_items(history), None
        if weights is not None:
            given = as_numbers(weights, "weights", (len(mine),))
            order = np.argsort(mine, kind="stable")
            mine, given = np.ascontiguousarray(mine[order]), np.ascontiguousarray(given[order])
        room = min(as_count(k), self.items)
        items, scores = np.empty(room, np.int64), np.empty(room, np.float32)
        out = None if exclude is None else as_items(exclude)
        found = self.matrix.top(mine, given, room or 1, out, items, scores)
        return Top(items, scores) if found == room else Top(items[:found], scores[:found])

    def top_of_all(self, histories: Ragged, k: int, exclude: Ragged | None = None) -> Top:
        """The k best items for every history: (users, k) items and scores, -1 and -inf where fewer are left.

        histories, exclude: (starts, items), those of user u are items[starts[u]:starts[u + 1]]. Raises DataError as
        `top` does.
        """
        starts, mine = as_ragged(histories)
        out_starts, out = (None, None) if exclude is None else as_ragged(exclude)
        shape = max(len(starts) - 1, 0), as_count(k)
        items, scores = np.empty(shape, dtype=np.int64), np.empty(shape, dtype=np.float32)
        self.matrix.top_of_all(starts, mine, shape[1], out_starts, out, items, scores)
        return Top(items, scores)


def by_columns(
    matrix: ItemItem | ItemBytes | Packed,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Entries column by column, decoded: those of column c are places and values from starts[c] to starts[c + 1].
    Raises DataError where the parts of a matrix are damaged."""
    (rows, columns), (numbers, indices, starts, scale) = _parts(matrix)
    found = SlowNeighbours.of(0, rows, columns, np.zeros(0, dtype=np.int64), numbers, indices, starts, scale)
    assert found.places is not None
    values = found.values if found.scale is None else found.values * found.scale[found.places]
    return found.starts, found.places, np.ascontiguousarray(values)


Parts = tuple[NDArray[Any], NDArray[Any] | None, NDArray[Any] | None, NDArray[np.float32] | None]


def _all_of(layer: nn.Linear) -> tuple[tuple[int, int], Parts]:
    if layer.bias is not None:
        raise DataError("a Linear with a bias is no item-item matrix: a Catalogue serves rows")
    return (layer.out_features, layer.in_features), (columns_of_rows(layer.weight).numpy(), None, None, None)


def _parts(matrix: ItemItem | ItemBytes | Packed) -> tuple[tuple[int, int], Parts]:
    held = matrix.stored if isinstance(matrix, Packed) else matrix
    if isinstance(held, ItemBytes):
        return held.shape, _of_codes(held)
    if not isinstance(held, ItemItem):
        raise DataError(f"an ItemItem or ItemBytes is needed, not a {type(held).__name__}: a Catalogue serves rows")
    return (held.out_features, held.in_features), _of_values(held)


def _of_values(held: ItemItem) -> Parts:
    values, indices = held.values.detach().float().numpy(), held.indices.numpy().astype(np.int32)
    return np.ascontiguousarray(values), indices, np.ascontiguousarray(held.indptr.numpy()), None


def _of_codes(held: ItemBytes) -> Parts:
    scale = held.get_buffer("scale").float().reshape(-1).numpy()
    return held.codes.numpy(), held.places.numpy(), held.counts.numpy(), np.where(scale == 0, TINY, scale)


def _scaled(parts: Parts, by: NDArray[np.float32]) -> Parts:
    """Parts of a matrix whose rows are multiplied. Raises DataError for numbers that are not above 0, or not finite."""
    if not bool(((by > 0) & np.isfinite(by)).all()):
        raise DataError("a scale must be finite and above 0, so that what is left out stays out")
    values, indices, starts, scale = parts
    if indices is None or starts is None:
        return values, None, None, by
    if scale is not None:
        return values, indices, starts, np.maximum(scale * by, TINY)
    check_starts(starts, len(by), len(values))
    if starts[0] != 0 or starts[-1] != len(values):
        raise DataError("an item-item matrix is damaged: starts must go from 0 to the number of entries")
    return values * np.repeat(by, np.diff(starts)), indices, starts, None
