"""Truth: what the users really did after what is known, and which listed items are among it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Histories
from recprune.errors import DataError

__all__ = ["Truth", "hits", "tail_items", "truth"]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The test items of every user that has some.

    users: (n,) codes, ascending. counts: (n,) test items of each, items unknown to the vocabulary included: they cannot
    be recommended, and every one is a miss. keys: sorted `user * n_items + item` of the known test items.
    left_out: what does not count, and how many.
    """

    users: NDArray[np.int64]
    counts: NDArray[np.int64]
    keys: NDArray[np.int64]
    n_items: int
    left_out: Mapping[str, int]

    def counts_of(self, items: NDArray[np.bool_]) -> NDArray[np.int64]:
        """(n,) test items of each user among those marked in (n_items,)."""
        owners = self.keys[items[self.keys % self.n_items]] // self.n_items
        return np.bincount(np.searchsorted(self.users, owners), minlength=len(self.users))


def truth(after: Histories, seen: Histories | None) -> Truth:
    """Test items from the interactions of a part: each item of a user once, without those `seen` before (None: with).

    Rows of the unknown user do not count, nor does an item that was seen, for it is not a candidate. Raises DataError
    where no user is left.
    """
    users = np.repeat(np.arange(after.n_users, dtype=np.int64), after.counts())
    items = after.items.astype(np.int64)
    named = users > 0
    unknown = named & (items == 0)
    keys = np.unique(users[named & ~unknown] * after.n_items + items[named & ~unknown])
    before = len(keys)
    if seen is not None:
        owners = np.repeat(np.arange(seen.n_users, dtype=np.int64), seen.counts())
        keys = np.setdiff1d(keys, owners * seen.n_items + seen.items, assume_unique=False)
    counts = np.bincount(keys // after.n_items, minlength=after.n_users) + np.bincount(
        users[unknown], minlength=after.n_users
    )
    with_items = np.flatnonzero(counts)
    if not len(with_items):
        raise DataError("no user has a test item that was not known before; nothing to judge lists by", part="test")
    left_out = {
        "rows of unknown users": int((~named).sum()),
        "items known before": before - len(keys),
        "users left without a test item": len(np.unique(users[named])) - len(with_items),
    }
    return Truth(with_items, counts[with_items], keys, after.n_items, {k: v for k, v in left_out.items() if v})


def hits(top: NDArray[np.int64], wanted: Truth) -> NDArray[np.bool_]:
    """(n, k) which listed items are test items; top: (n, k) lists of wanted.users, 0 where a list ends."""
    keys = wanted.users[:, None] * wanted.n_items + top
    if not len(wanted.keys):
        return np.zeros(top.shape, dtype=bool)
    near = np.minimum(np.searchsorted(wanted.keys, keys), len(wanted.keys) - 1)
    out: NDArray[np.bool_] = (wanted.keys[near] == keys) & (top > 0)
    return out


def tail_items(histories: Histories, share: float) -> NDArray[np.bool_]:
    """(n_items,) the least popular items that together make up at most `share` of the interactions; ties by number."""
    counts = np.bincount(histories.items, minlength=histories.n_items)
    counts[0] = 0
    order = np.argsort(counts, kind="stable")
    out = np.zeros(histories.n_items, dtype=bool)
    out[order[np.cumsum(counts[order]) <= share * counts.sum()]] = True
    out[0] = False
    return out
