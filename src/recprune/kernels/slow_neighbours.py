"""What the C kernel of item-item rows does, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recprune.encodings.item_bytes import WIDTH
from recprune.errors import DataError
from recprune.kernels.slow import check_starts
from recprune.kernels.slow_lists import SlowLists, list_best

__all__ = ["SlowNeighbours"]

Items = NDArray[np.integer]


@dataclass(frozen=True, slots=True, eq=False)
class SlowNeighbours(SlowLists):
    """Entries column by column: those of column c are values[starts[c]:starts[c + 1]]; places: their rows, None where
    all rows are there; scale: of a row, or None."""

    rows: int
    starts: NDArray[np.int64]
    values: NDArray[np.float32]
    places: NDArray[np.int64] | None
    scale: NDArray[np.float32] | None
    never: Items
    more: ClassVar[tuple[Any, ...]] = (None,)

    @classmethod
    def of(
        cls,
        level: int,
        rows: int,
        columns: int,
        never: Items,
        values: NDArray[Any],
        indices: NDArray[Any] | None,
        starts: NDArray[Any] | None,
        scale: NDArray[np.float32] | None,
    ) -> SlowNeighbours:
        """From the parts that the C kernel takes. Raises DataError where these are damaged."""
        _inside(never, rows, "an item that is never listed")
        if indices is None or starts is None:
            _whole(values.shape == (columns, rows) and (scale is None or scale.shape == (rows,)))
            _whole(scale is None or bool((scale > 0).all() and np.isfinite(scale).all()))
            return cls(rows, np.arange(columns + 1) * rows, values.reshape(-1), None, scale, never)
        if scale is None:
            check_starts(starts, rows, len(values))
            whole = len(values) == len(indices) == starts[-1] and starts[0] == 0 and bool(np.isfinite(values).all())
            _whole(whole and not (len(indices) and (indices.min() < 0 or indices.max() >= columns)))
            owner, place = indices, np.repeat(np.arange(rows), np.diff(starts))
        else:
            groups = -(-rows // WIDTH)
            _whole(starts.shape == (columns, groups) and len(scale) == rows and len(values) == len(indices))
            _whole(int(starts.sum()) == len(values) and bool((scale > 0).all() and np.isfinite(scale).all()))
            owner = np.repeat(np.arange(columns), starts.sum(1, dtype=np.int64))
            first = np.broadcast_to(np.arange(groups) * WIDTH, starts.shape)
            place = np.repeat(first.reshape(-1), starts.reshape(-1)) + indices
        order = np.argsort(owner, kind="stable")
        begins = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=columns))])
        numbers = values[order].astype(np.float32)
        return cls(rows, begins.astype(np.int64), numbers, place[order].astype(np.int64), scale, never)

    def top(
        self,
        history: Items,
        weights: NDArray[np.float32] | None,
        k: int,
        out: Items | None,
        items: NDArray[np.int64],
        scores: NDArray[np.float32],
    ) -> int:
        """As Neighbours.top in neighbours.c."""
        _inside(history, len(self.starts) - 1, "an item of a history")
        left = history if out is None else out
        _inside(left, self.rows, "an item to leave out")
        if weights is not None and not bool(np.isfinite(weights).all()):
            raise DataError("weights must be finite")
        found = self._sums(history, weights)
        found[left], found[self.never] = -np.inf, -np.inf
        if bool(np.isnan(found).any()):
            raise DataError("an item-item matrix gives NaN as a score: its numbers are too large to add up")
        return list_best(found, k, items, scores)

    def _sums(self, history: Items, weights: NDArray[np.float32] | None) -> NDArray[np.float32]:
        found = np.zeros(self.rows + WIDTH + 1, dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is seen in the sums
            for at in np.argsort(history, kind="stable"):
                part = slice(self.starts[history[at]], self.starts[history[at] + 1])
                by = np.float32(1) if weights is None else weights[at]
                if self.places is None:
                    found[: self.rows] += self.values[part] * by
                else:
                    np.add.at(found, self.places[part], self.values[part] * by)
        found = found[: self.rows]
        return found if self.scale is None else found * self.scale


def _inside(items: Items, below: int, name: str) -> None:
    if len(items) and (items.min() < 0 or items.max() >= below):
        raise DataError(f"{name} is none of the matrix: they are 0 or more and below {below}")


def _whole(fine: bool) -> None:
    if not fine:
        raise DataError("an item-item matrix is damaged: its parts do not go together, or are not finite")
