"""What the C kernel of factors and walks does, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.errors import DataError
from recprune.kernels.slow import check_starts
from recprune.kernels.slow_lists import SlowLists, list_best

__all__ = ["SlowWalks"]

Items = NDArray[np.integer]
Floats = NDArray[np.float32]
TINY = 1e-20
ROUNDING = np.float32(1e-5)
"""Of what is taken off: less than that is left by float32, and is no walk."""


@dataclass(frozen=True, slots=True, eq=False)
class SlowWalks(SlowLists):
    """rows: floats, or codes of which `books` says centres, words and edges of groups. had, by: starts and places of
    the lists of items, and of users, None where entries with values lead to items."""

    temperature: float
    share: float
    never: Items
    rows: NDArray[Any]
    books: tuple[NDArray[Any], ...] | None
    inverse: Floats
    had: tuple[NDArray[np.int64], NDArray[np.int32], Floats | None]
    by: tuple[NDArray[np.int64], NDArray[np.int32]] | None

    @classmethod
    def of(cls, level: int, *parts: Any) -> SlowWalks:
        """From the parts that the C kernel takes. Raises DataError where these are damaged."""
        made = cls(*parts)
        n, (starts, places, values) = len(made.rows), made.had
        users = 0 if made.by is None else len(made.by[0]) - 1
        _lists(starts, places, n, n if made.by is None else users)
        if made.by is not None:
            _lists(*made.by, users, n)
        whole = values is None or (len(values) == len(places) and bool((np.isfinite(values) & (values >= 0)).all()))
        numbers = (made.rows, made.inverse) if made.books is None else (made.inverse, *made.books[:2])
        finite = len(made.inverse) == n and all(bool(np.isfinite(part).all()) for part in numbers)
        if not (whole and finite and made.temperature > 0 and made.share >= 0):
            raise DataError("factors and a memory do not go together, or are not finite")
        _inside(made.never, n)
        return made

    def top(self, history: Items, k: int, out: Items | None, items: NDArray[np.int64], scores: Floats) -> int:
        """As Walks.top in walks.c."""
        left = history if out is None else out
        _inside(history, len(self.rows))
        _inside(left, len(self.rows))
        once = np.unique(history)
        likely, near = self._likely(once), self._near(once)
        both = likely + np.float32(self.share / max(float(near.sum(dtype=np.float64)), TINY)) * near
        found = np.log(both.astype(np.float64) + TINY).astype(np.float32)
        found[left], found[self.never] = -np.inf, -np.inf
        if bool(np.isnan(found).any()):
            raise DataError("factors or a memory give NaN as a score: their numbers are too large")
        return list_best(found, k, items, scores)

    def _likely(self, history: Items) -> Floats:
        """(items,) the softmax over all."""
        query = self._rows_of(history).sum(0, dtype=np.float32)
        query = query / np.float32(max(float(np.linalg.norm(query)), 1e-12) * self.temperature)
        if self.books is None:
            products = self.rows @ query
        else:
            centres, words, edges = self.books
            products = (centres @ query)[self.rows[:, 0]]
            for group, (begin, end) in enumerate(pairwise(edges)):
                products = products + (words[:, begin:end] @ query[begin:end])[self.rows[:, group + 1]]
        powers = products * self.inverse
        likely: Floats = np.exp(powers - powers.max())
        return likely / np.float32(likely.sum(dtype=np.float64))

    def _rows_of(self, items: Items) -> Floats:
        rows: NDArray[Any] = self.rows[items]
        if self.books is None:
            return rows
        centres, words, edges = self.books
        owner = np.repeat(np.arange(len(edges) - 1), np.diff(edges)) + 1
        found: Floats = centres[rows[:, 0]] + words[rows[:, owner], np.arange(words.shape[1])]
        return found

    def _near(self, history: Items) -> Floats:
        """(items,) where walks end, or entries lead to."""
        near = np.zeros(len(self.rows), dtype=np.float32)
        starts, places, values = self.had
        if self.by is None:
            for item in history:
                part = slice(starts[item], starts[item + 1])
                np.add.at(near, places[part], 1 if values is None else values[part])
            return near
        of_users, to = self.by
        reached, many = np.zeros(len(of_users) - 1, dtype=np.float32), np.diff(of_users)
        back = np.zeros(len(history), dtype=np.float32)
        for at, item in enumerate(history):
            users = places[starts[item] : starts[item + 1]]
            reached[users] += np.float32(1 / max(len(users), 1))
            back[at] = (1 / many[users]).sum() / max(len(users), 1)
        for user in np.flatnonzero(reached):
            near[to[of_users[user] : of_users[user + 1]]] += reached[user] / many[user]
        left = near[history] - back
        near[history] = np.where(left > back * ROUNDING, left, 0)
        return near


def _lists(starts: NDArray[Any], places: NDArray[Any], rows: int, below: int) -> None:
    check_starts(starts, rows, len(places))
    whole = starts[0] == 0 and starts[-1] == len(places)
    if not whole or (len(places) and (places.min() < 0 or places.max() >= below)):
        raise DataError("a memory is damaged: its starts and places do not go together")


def _inside(items: Items, below: int) -> None:
    if len(items) and (items.min() < 0 or items.max() >= below):
        raise DataError(f"an item is none of the factors: they are 0 or more and below {below}")
