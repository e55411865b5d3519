"""Stage 6: which rows are for train, validation and test; each way by the function that parts a log in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.data.split import drawn_parts, last_rows, last_shares, whole
from recprune.errors import DataError
from recprune.large.radix import kth, tally
from recprune.scale.pieces import array, put_array
from recprune.scale.preparing.ids import places, times_of
from recprune.scale.preparing.job import ROW, WIDTH, Job

__all__ = ["edges_of_time", "labels", "put_drawn", "ranked"]

Each = Callable[[Callable[[int], Any]], Iterable[Any]]
Labels = NDArray[np.int8]


def labels(job: Job, bucket: int, frame: pl.DataFrame) -> Labels:
    """(n,) 0, 1 or 2 for each row of a bucket that stays. Raises DataError where rows have no time and need one."""
    if job.way == "random":
        return _drawn(job, frame[ROW].to_numpy())
    time = times_of(frame)
    if job.way == "time":
        test, valid = array(job.folder / "edges.npy")
        return _labelled((time >= valid) & ~(time >= test), time >= test)
    if not {"user", "item"} <= set(frame.columns):
        raise DataError(f"a split by {job.way} needs a user and an item of every row")
    users = frame["user"].to_numpy()
    n_users = int(users.max(initial=0)) + 1
    if job.way == "last":
        return _labelled(*last_rows(users, time, n_users, 1))
    items = places(job, job.ids.index("item"), bucket)[frame["item"].to_numpy()]
    return _labelled(*last_shares(users, time, items, n_users, job.test, job.valid))


def edges_of_time(job: Job, rows: int, span: tuple[int, int], each: Each) -> tuple[int, int]:
    """The moments from which on rows are test, and validation, of `rows` rows (see `split_by_time`); never where a
    share is 0. span: the first and the last time. Found by histograms of the digits by which they differ."""
    never, (first, last) = np.iinfo(np.int64).max, span
    bits = max(16, -(-(last - first).bit_length() // 16) * 16)

    @cache  # both begin alike
    def counts(known: int, shift: int) -> NDArray[np.int64]:
        found: NDArray[np.int64] = np.sum(list(each(partial(_tallied, job, first, bits, known, shift))), axis=0)
        return found

    def at(place: int) -> int:
        return first + kth(lambda known, shift: [counts(known, shift)], place, bits).key

    test = at(whole((1 - job.test) * rows)) if job.test else never
    valid = at(whole((1 - job.test - job.valid) * rows)) if job.valid else never
    return test, valid


def ranked(job: Job, part: int) -> int:
    """Leave the numbers of the rows of a part that stay, in order: how many."""
    low, high = part << WIDTH, (part + 1) << WIDTH
    found = []
    for bucket in range(job.buckets):
        rows = array(job.place("rows", bucket, "npy"), mapped=True)
        begin, end = np.searchsorted(rows, [low, high])
        found.append(np.asarray(rows[begin:end]))
    put_array(job.place("ranked", part, "npy"), np.sort(np.concatenate(found)))
    return sum(map(len, found))


def put_drawn(job: Job, of_part: Sequence[int]) -> None:
    """Draw the parts of all rows, whose number in every part of the source is given; one byte a row, and nine while
    they are drawn."""
    put_array(job.folder / "drawn.npy", drawn_parts(sum(of_part), job.valid, job.test, job.seed))
    put_array(job.folder / "begins.npy", np.concatenate([[0], np.cumsum(of_part)]))


def _drawn(job: Job, rows: NDArray[np.int64]) -> Labels:
    drawn, begins = array(job.folder / "drawn.npy", mapped=True), array(job.folder / "begins.npy")
    out: Labels = np.zeros(len(rows), dtype=np.int8)
    parts = rows >> WIDTH
    for part in np.unique(parts).tolist():
        ranks = array(job.place("ranked", part, "npy"), mapped=True)
        mine = parts == part
        out[mine] = drawn[begins[part] + np.searchsorted(ranks, rows[mine])]
    return out


def _tallied(job: Job, first: int, bits: int, known: int, shift: int, bucket: int) -> NDArray[np.int64]:
    """How the times of a bucket, counted from the first one, are spread; (65,536,)."""
    since = array(job.place("times", bucket, "npy")).view(np.uint64) - np.uint64(first % (1 << 64))
    return tally(since.astype(np.uint32) if bits == 32 else since, known, shift)


def _labelled(in_valid: NDArray[np.bool_], in_test: NDArray[np.bool_]) -> Labels:
    return in_valid.astype(np.int8) + 2 * in_test.astype(np.int8)
