"""What scores: one small interface, behind which torch, a kernel or something else does the work."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Histories

__all__ = ["SCORES", "Codes", "Listed", "Recommender", "many_of"]

Codes = NDArray[np.int64]
SCORES = 16_000_000
"""Scores held at once: 64 MB in float32."""


class Listed(NamedTuple):
    """items (n,) int64 codes, best first; scores (n,) float32."""

    items: Codes
    scores: NDArray[np.float32]


class Recommender(Protocol):
    """Lists by codes, of one user or of many: highest score first, equal ones by item number; never item 0, an excluded
    one, or one whose score is -inf. It keeps nothing of a request, and may be asked by several threads at once.

    n_items: rows of the catalogue, the unknown item 0 included. by_user, by_history: whether the code of a user, or
    the items of a history, make a difference.
    """

    @property
    def n_items(self) -> int: ...

    @property
    def by_user(self) -> bool: ...

    @property
    def by_history(self) -> bool: ...

    def lists(self, user: int, history: Codes, k: int, exclude: Codes) -> Listed:
        """The k best items of one user, fewer where there are fewer.

        user: code, 0 where it is unknown. history: (n,) codes, oldest first. exclude: (n,) codes that are not listed,
        in any order, also more than once; the history is listed unless it is among them. Raises DataError for NaN.
        """

    def many(
        self, rows: Codes, histories: Histories, codes: Codes, k: int, with_seen: bool
    ) -> tuple[Codes, NDArray[np.float32]]:
        """(n, k) codes and (n, k) scores of many users; 0 and -inf stand where there are fewer.

        rows: (n,) which rows of the histories; their items are in the codes of this model, 0 for one that left, and
        they are not listed but with `with_seen`. codes: (rows of the histories,) the user code of each, 0 where it is
        unknown. Raises DataError for NaN.
        """


def many_of(
    recommender: Recommender, rows: Codes, histories: Histories, codes: Codes, k: int, with_seen: bool
) -> tuple[Codes, NDArray[np.float32]]:
    """What `many` gives, of so many users at a time that no more than SCORES numbers are held."""
    items, scores = np.zeros((len(rows), k), dtype=np.int64), np.full((len(rows), k), -np.inf, dtype=np.float32)
    step = max(1, SCORES // recommender.n_items)
    for begin in range(0, len(rows), step):
        part = slice(begin, begin + step)
        items[part], scores[part] = recommender.many(rows[part], histories, codes, k, with_seen)
    return items, scores
