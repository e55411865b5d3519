"""Histories of some users as kernels take them, and lists as they give them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Histories
from recprune.kernels.top import Top
from recprune.serving.recommender import Codes

__all__ = ["once_of", "padded", "part_of"]


def part_of(histories: Histories, rows: Codes) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Starts and items of some rows."""
    place, items = histories.pairs(rows)
    counts = np.bincount(place, minlength=len(rows))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), items


def once_of(histories: Histories, rows: Codes) -> tuple[NDArray[np.int64], Codes]:
    """The same with every item of a row once, by its number."""
    starts, items = part_of(histories, rows)
    place = np.repeat(np.arange(len(rows)), np.diff(starts))
    once = np.unique(place * histories.n_items + items)
    counts = np.bincount(once // histories.n_items, minlength=len(rows))
    return np.concatenate([[0], np.cumsum(counts)]), once % histories.n_items


def padded(top: Top) -> tuple[Codes, NDArray[np.float32]]:
    """With 0 in the place of -1."""
    return np.maximum(top.items, 0), top.scores
