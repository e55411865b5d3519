"""Whether two ways to list items give the same lists."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.serving.recommender import Listed, Recommender

__all__ = ["CLOSE", "as_listed", "differ", "drawn_requests"]

CLOSE = 1e-4
"""How far scores of the same item may be apart, in units of that score; and a tenth of it in units of the largest of
the list: float32 added up in another order."""


def differ(one: Listed, other: Listed) -> str:
    """How two lists differ; empty where they are the same.

    They are where as many items have the same scores place by place, up to the rounding of float32, and the items are
    the same but for those whose scores are so close that rounding may exchange them, or that are as close to the last.
    Exactly equal scores have to stand by item number.
    """
    if len(one.items) != len(other.items):
        return f"{len(one.items)} items are listed, and not {len(other.items)}"
    scores, wanted = one.scores.astype(np.float64), other.scores.astype(np.float64)
    room = CLOSE * (np.abs(wanted) + 0.1 * np.abs(wanted).max(initial=0))
    apart = np.abs(scores - wanted)
    if not bool((apart <= room).all()):
        return f"scores are up to {np.nanmax(apart, initial=0):.3g} apart"
    if bool((np.diff(scores) == 0).any()) and bool((np.diff(one.items)[np.diff(scores) == 0] <= 0).any()):
        return "equal scores do not stand by item number"
    place = {item: at for at, item in enumerate(other.items.tolist())}
    for at, item in enumerate(one.items.tolist()):
        there = place.get(item, len(wanted) - 1)
        if abs(scores[at] - wanted[there]) > room[at] + room[there]:
            return f"item {item} is listed at place {at + 1}, and should not be"
    return ""


def as_listed(items: NDArray[np.int64], scores: NDArray[np.float32]) -> Listed:
    """One row of what `many` gives, as a list."""
    there = items > 0
    return Listed(items[there], scores[there])


def drawn_requests(eager: Recommender, n_users: int, trials: int = 8, k: int = 20) -> list[tuple[int, Any, int, Any]]:
    """Requests of users and histories that are drawn: of half of a history it is not said that it is had."""
    rng, made = np.random.default_rng(0), []
    for length in rng.integers(0, 12, trials):
        history = rng.integers(min(1, eager.n_items - 1), eager.n_items, length)
        made.append((int(rng.integers(0, n_users)), history, k, history[: length // 2]))
    return made
