"""Stage 4: rare users and items leave, again and again, until nobody is rare. Only counts of items travel.

Batagelj and Zaversnik 2003: the fixpoint does not depend on the order in which rows leave, so that each bucket may go
on by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.scale.pieces import array, put_array
from recprune.scale.preparing.ids import places
from recprune.scale.preparing.job import Job

__all__ = ["core", "without_rare"]

Each = Callable[[str, Callable[[int], Any]], Iterable[Any]]


def core(job: Job, items: int, each: Each) -> int:
    """Rows that stay. items: how many there are. each: a name, and a function for every bucket -> what it makes.

    A turn that leaves no rare item is the last one: no user is rare after any of them.
    """
    rare, turn = np.zeros(items + 1, dtype=np.bool_), 0
    while True:
        put_array(_rare(job, turn), rare)
        left = sum(each(f"core-{turn:04}", partial(without_rare, job, turn)))
        total = _counted(job, turn, items)
        now = (total > 0) & (total < job.least_item)
        if "item" not in job.names or not now.any():
            return left
        rare, turn = rare | now, turn + 1


def without_rare(job: Job, turn: int, bucket: int) -> int:
    """Rows of rare items leave the bucket, then those of users that are rare now: how many stay. Leaves which they are,
    and how many rows each item has."""
    there = [name for name in ("user", "item") if name in job.names]
    frame = job.bucket("settled", bucket, there)
    stays = array(_mask(job, turn - 1, bucket)) if turn else np.ones(frame.height, dtype=np.bool_)
    rare = array(_rare(job, turn), mapped=True)
    items = places(job, job.ids.index("item"), bucket)[frame["item"].to_numpy()] if "item" in there else None
    if items is not None and turn:
        stays &= ~rare[items]
    if "user" in there:
        users = frame["user"].to_numpy()
        few = np.bincount(users[stays], minlength=int(users.max(initial=0)) + 1) < job.least_user
        stays &= ~few[users]
    counts = np.zeros(0, dtype=np.int64) if items is None else np.bincount(items[stays], minlength=len(rare))
    put_array(job.folder / "counts" / f"{turn:04}" / f"{bucket:06}.npy", counts)
    put_array(_mask(job, turn, bucket), stays)
    return int(stays.sum())


def _mask(job: Job, turn: int, bucket: int) -> Path:
    return job.folder / "stays" / f"{turn:04}" / f"{bucket:06}.npy"


def _rare(job: Job, turn: int) -> Path:
    return job.folder / "rare" / f"{turn:04}.npy"


def _counted(job: Job, turn: int, items: int) -> NDArray[np.int64]:
    """(items + 1,) how many rows every item has, in all buckets."""
    total = np.zeros(items + 1, dtype=np.int64)
    for bucket in range(job.buckets):
        counts = array(job.folder / "counts" / f"{turn:04}" / f"{bucket:06}.npy")
        total[: len(counts)] += counts
    return total
