"""What the C kernels of histories share, in numpy: the best of all scores, for one history and for many."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recprune.kernels.slow import check_starts

__all__ = ["SlowLists", "list_best"]

Items = NDArray[np.integer]
Floats = NDArray[np.float32]


class SlowLists:
    """A kernel whose `top(history, *more, k, out, items, scores)` lists for one history."""

    __slots__ = ()
    more: ClassVar[tuple[Any, ...]] = ()
    """What `top` takes behind the history, where many are asked for at once."""

    def top(self, *asked: Any) -> int:
        raise NotImplementedError

    def best(self, *asked: object) -> None:
        """Nothing: only C answers without arrays that were made for it."""

    def top_of_all(
        self,
        starts: NDArray[np.int64],
        history: Items,
        k: int,
        out_starts: NDArray[np.int64] | None,
        out: Items | None,
        items: NDArray[np.int64],
        scores: Floats,
    ) -> None:
        """As asked_top_of_all in asking.c."""
        check_starts(starts, len(items), len(history))
        if out_starts is not None and out is not None:
            check_starts(out_starts, len(items), len(out))
        items[:], scores[:] = -1, -np.inf
        for user in range(len(items)):
            mine = None if out_starts is None or out is None else out[out_starts[user] : out_starts[user + 1]]
            self.top(history[starts[user] : starts[user + 1]], *self.more, k, mine, items[user], scores[user])


def list_best(found: Floats, k: int, items: NDArray[np.int64], scores: Floats) -> int:
    """Write the k highest scores, of equal ones the first; what is -inf is not listed. How many there are."""
    best = np.argsort(-found, kind="stable")[:k]
    best = best[found[best] > -np.inf]
    items[: len(best)], scores[: len(best)] = best, found[best]
    return len(best)
