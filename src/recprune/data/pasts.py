"""with_pasts(): what each user had before each row, as a column of the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Dataset, Split
from recprune.errors import DataError

__all__ = ["with_pasts"]

Events = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def with_pasts(split: Split, length: int = 20) -> Split:
    """The split with a column `sequence` in every part: (n, length) int32 codes of the last items that the user of a
    row had strictly before its time, oldest first, padded with 0 in front.

    What counts are positive rows (all rows where there is no label) of train; for the test part also those of
    validation. So no row sees itself, what happened at the same moment, or a later part. The unknown user has no past.
    Raises DataError for rows without time, for a length below 1, and where a field is called `sequence`.
    """
    if length < 1:
        raise DataError(f"length is 1 or more, not {length}", length=length)
    if "time" not in split.train.columns:
        raise DataError("what came before a row is told by its time, and the rows have none", column="time")
    roles = split.train.roles
    if "sequence" in (*roles.categorical, *roles.numeric, *roles.multi):
        raise DataError("a field is called 'sequence', as the column of pasts is: rename it", column="sequence")
    train = [split.train]
    known = {"train": train, "valid": train, "test": [*train, split.valid]}
    parts = {name: _with_past(getattr(split, name), _events(parts), length) for name, parts in known.items()}
    return Split(**parts)


def _events(parts: list[Dataset]) -> Events:
    """Users, times and items of positive rows, by user and time (row order where it is equal)."""
    keep = [p["label"] > 0 if "label" in p.columns else np.ones(len(p), dtype=bool) for p in parts if len(p)]
    columns = [
        np.concatenate([p[name][k] for p, k in zip((p for p in parts if len(p)), keep, strict=True)]).astype(np.int64)
        for name in ("user", "time", "item")
    ]
    order = np.lexsort((columns[1], columns[0]))
    users, times, items = (column[order] for column in columns)
    return users, times, items


def _with_past(part: Dataset, events: Events, length: int) -> Dataset:
    users, times, items = events
    moments = np.unique(times)
    width = len(moments) + 1
    keys = users * width + np.searchsorted(moments, times)
    mine = part["user"].astype(np.int64)
    ends = np.searchsorted(keys, mine * width + np.searchsorted(moments, part["time"]))
    begins = np.where(mine > 0, np.searchsorted(users, mine), ends)
    past: NDArray[Any] = np.zeros((len(part), length), dtype=np.int32)
    for back in range(1, length + 1):
        there = np.flatnonzero(ends - begins >= back)
        past[there, length - back] = items[ends[there] - back]
    return replace(part, columns={**part.columns, "sequence": past})
