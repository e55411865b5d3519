"""What the C kernels do, in numpy: the same items with the same scores, where nothing was compiled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recprune.errors import DataError
from recprune.kernels.stored import Stored

__all__ = ["SlowTable", "dots"]

BLOCK = 4_000_000
"""Scores that are held at a time."""

LANES = 8
"""Sums that a dot product is added up in."""


def dots(query: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) dot products in float64: eight sums of every eighth product, added in one fixed order."""
    one = _lanes(query[None])[0]
    wide = _lanes(rows)
    sums = np.zeros((len(rows), LANES))
    for part in range(wide.shape[1]):
        sums += wide[:, part] * one[part]
    a, b, c, d, e, f, g, h = sums.T
    found: NDArray[np.float64] = ((a + e) + (c + g)) + ((b + f) + (d + h))
    return found


def _lanes(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, parts, 8), with zeros at the end."""
    wide = np.pad(rows.astype(np.float64), ((0, 0), (0, -rows.shape[1] % LANES)))
    return wide.reshape(len(rows), -1, LANES)


@dataclass(frozen=True, slots=True, eq=False)
class SlowTable:
    """Answers as the C table does, and refuses what it refuses. order: items that can be listed."""

    stored: Stored
    order: NDArray[np.int32]
    weight: NDArray[np.float32] | None
    bias: NDArray[np.float32] | None

    def __post_init__(self) -> None:
        limit = 2.0**120
        size = self.stored.lengths() * (1 if self.weight is None else np.abs(self.weight))
        for name, numbers in (("scale", self.weight), ("bias", self.bias), ("the rows", size)):
            if numbers is not None and not bool(np.isfinite(numbers[self.order]).all()):
                raise DataError(f"{name} of an item holds NaN or infinite numbers", of=name)
        if bool((size[self.order] >= limit).any()):
            raise DataError("the row of an item is too long (2^120 at most)")

    @property
    def bytes(self) -> int:
        """Bytes that are read for a query."""
        return self.stored.rows.nbytes

    def best(self, *asked: object) -> None:
        """Nothing: only C answers without arrays that were made for it."""

    def top(
        self,
        query: NDArray[np.float32],
        k: int,
        out: NDArray[np.integer] | None,
        items: NDArray[np.int64],
        scores: NDArray[np.float32],
    ) -> int:
        """As Table.top in table.c."""
        self._check(query, out)
        stays = np.sort(self.order)
        stays = stays if out is None else stays[~np.isin(stays, out)]
        step = max(1, BLOCK // self.stored.columns)
        parts = [self._exact(query, stays[a : a + step]) for a in range(0, len(stays), step)]
        found = np.concatenate(parts or [np.zeros(0)])
        best = np.argsort(-found, kind="stable")[:k]
        items[: len(best)], scores[: len(best)] = stays[best], found[best]
        return len(best)

    def top_of_all(
        self,
        queries: NDArray[np.float32],
        k: int,
        starts: NDArray[np.int64] | None,
        out: NDArray[np.integer] | None,
        items: NDArray[np.int64],
        scores: NDArray[np.float32],
    ) -> None:
        """As Table.top_of_all in table.c."""
        if starts is not None and out is not None:
            check_starts(starts, len(queries), len(out))
        items[:], scores[:] = -1, -np.inf
        for user, query in enumerate(queries):
            mine = None if starts is None or out is None else out[starts[user] : starts[user + 1]]
            self.top(query, k, mine, items[user], scores[user])

    def _exact(self, query: NDArray[np.float32], which: NDArray[np.integer]) -> NDArray[np.float64]:
        found = dots(query, self.stored.numbers(which))
        if self.weight is not None:
            found *= self.weight[which].astype(np.float64)
        return found if self.bias is None else found + self.bias[which].astype(np.float64)

    def _check(self, query: NDArray[np.float32], out: NDArray[np.integer] | None) -> None:
        if not bool(np.isfinite(query).all()):
            raise DataError("a query holds NaN or infinite numbers")
        if out is not None and len(out) and (out.min() < 0 or out.max() >= len(self.stored.rows)):
            raise DataError(f"an item to leave out is none of the {len(self.stored.rows)} there are")


def check_starts(starts: NDArray[np.int64], rows: int, entries: int) -> None:
    """Raise DataError where starts of a ragged array do not rise, or leave it."""
    whole = len(starts) == rows + 1 and starts[0] >= 0 and starts[-1] <= entries
    if not whole or bool((np.diff(starts) < 0).any()):
        raise DataError(f"starts must rise, {rows + 1} of them, and stay within {entries} entries")
