"""Split: train, validation and test, by time, by user, at random, or as given. They share no row.

Users and items that stand only in validation or test keep the codes of the joint vocabulary: their rows of a table are
never trained, and a metric still counts them (`only_outside_train` says how many). Missing numbers stay missing (NaN):
click models have a vector of their own for them; `with_means` fills them in for modules that have not.

Every function refuses a leak: the same user and item in two parts, where the rows have no label. Where that is meant
(baskets, sessions, repeated plays) say `repeats=True`. Rows with a label are moments: a pair may have several.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Dataset, Split
from recprune.data.encode import encode, joint_vocabularies
from recprune.data.log import Log
from recprune.errors import DataError

__all__ = [
    "only_outside_train",
    "split_by_time",
    "split_by_user_time",
    "split_given",
    "split_last",
    "split_random",
    "with_means",
]

Rows = NDArray[np.bool_]
Codes = NDArray[np.integer]


def split_by_time(dataset: Dataset, valid: float = 0.1, test: float = 0.2, *, repeats: bool = False) -> Split:
    """One moment for everybody: what comes later is test.

    With the n times sorted, t[0] <= ... <= t[n-1], test is every row with time >= t[floor((1 - test) n)], validation
    every earlier row with time >= t[floor((1 - test - valid) n)]. Rows of one time are never parted, so that a part
    that begins in the middle of equal times gets all of them.
    """
    shares(valid, test)
    time, n = times(dataset), len(dataset)
    ordered = np.sort(time)
    in_test = time >= ordered[whole((1 - test) * n)] if test else np.zeros(n, dtype=bool)
    in_valid = (time >= ordered[whole((1 - test - valid) * n)]) & ~in_test if valid else np.zeros(n, dtype=bool)
    return parted(dataset, in_valid, in_test, repeats=repeats)


def split_by_user_time(dataset: Dataset, test: float = 0.2, valid: float = 0.1, *, repeats: bool = False) -> Split:
    """The last share of each user: of k rows sorted by (time, item code), the last ceil(test k) are test, and the
    ceil(valid k) before them validation; but one row at least stays in train (validation gives way first).
    """
    shares(valid, test)
    rows = last_shares(dataset["user"], times(dataset), dataset["item"], dataset.n_users, test, valid)
    return parted(dataset, *rows, repeats=repeats)


def split_last(dataset: Dataset, n: int = 1, *, repeats: bool = False) -> Split:
    """The last `n` rows of each user (by time, then row order) are test, the `n` before them validation.

    One row at least stays in train: a user of k rows gives min(n, k - 1) to test, then min(n, what is left - 1) to
    validation.
    """
    return parted(dataset, *last_rows(dataset["user"], times(dataset), dataset.n_users, n), repeats=repeats)


def split_random(
    dataset: Dataset, valid: float = 0.1, test: float = 0.2, seed: int = 0, *, repeats: bool = False
) -> Split:
    """A permutation of the rows by numpy's PCG64 of `seed`: the first ceil(test n) are test, the next ceil(valid n)
    validation.
    """
    part = drawn_parts(len(dataset), valid, test, seed)
    return parted(dataset, part == 1, part == 2, repeats=repeats)


def split_given(train: Log, test: Log, valid: Log | None = None, *, repeats: bool | None = None) -> Split:
    """Parts that somebody else made, encoded by one joint vocabulary. `repeats`: as the train log says, if not said."""
    logs = [log for log in (train, valid, test) if log is not None]
    vocabularies = joint_vocabularies(*logs)
    parts = [encode(log, vocabularies) for log in logs]
    same_columns(parts)
    middle = parts[1] if valid is not None else parts[0].take(np.zeros(0, dtype=np.int64))
    return checked(Split(parts[0], middle, parts[-1]), repeats=train.repeats if repeats is None else repeats)


def only_outside_train(split: Split) -> dict[str, int]:
    """Column -> how many distinct ids stand in validation or test but not in train."""
    out = {}
    for name, vocabulary in split.vocabularies.items():
        trained = np.zeros(len(vocabulary), dtype=bool)
        trained[split.train[name].ravel()] = True
        others = [part[name].ravel() for part in (split.valid, split.test) if len(part)]
        seen = np.zeros(len(vocabulary), dtype=bool)
        for codes in others:
            seen[codes] = True
        out[name] = int((seen & ~trained)[1:].sum())
    return out


def shares(valid: float, test: float) -> None:
    """Raises DataError where the shares are no shares."""
    if not (0 <= valid < 1 and 0 <= test < 1 and valid + test < 1):
        raise DataError(f"valid and test are shares that leave something to train, not {valid} and {test}")


def whole(number: float) -> int:
    """Floor, with 0.7 * 10 taken as 7 and not as 6.999..."""
    return math.floor(number + 1e-9)


def times(dataset: Dataset) -> NDArray[np.int64]:
    """The times. Raises DataError where there are none."""
    if "time" not in dataset.columns:
        raise DataError(
            "this split needs a column with the role time; lines in time order can be read with ordered=True, "
            "otherwise use a random split",
            column="time",
        )
    return dataset["time"]


def drawn_parts(n: int, valid: float, test: float, seed: int) -> NDArray[np.int8]:
    """(n,) 0 for train, 1 for validation, 2 for test, as `split_random` draws them."""
    shares(valid, test)
    order = np.random.default_rng(seed).permutation(n)
    n_test, n_valid = math.ceil(test * n - 1e-9), math.ceil(valid * n - 1e-9)
    part = np.zeros(n, dtype=np.int8)
    part[order[:n_test]] = 2
    part[order[n_test : n_test + n_valid]] = 1
    return part


def last_shares(users: Codes, time: Codes, items: Codes, n_users: int, test: float, valid: float) -> tuple[Rows, Rows]:
    """Which rows `split_by_user_time` gives to validation and to test; of any rows that hold their users whole."""
    counts = np.bincount(users, minlength=n_users)
    in_test, in_valid = np.ceil(test * counts - 1e-9), np.ceil(valid * counts - 1e-9)
    order = np.lexsort((items, time, users))
    return from_the_end(users, order, counts, in_valid.astype(np.int64), in_test.astype(np.int64))


def last_rows(users: Codes, time: Codes, n_users: int, n: int) -> tuple[Rows, Rows]:
    """Which rows `split_last` gives to validation and to test; of any rows that hold their users whole."""
    if n < 1:
        raise DataError(f"split_last: n is 1 or more, not {n}", n=n)
    each = np.full(n_users, n, dtype=np.int64)
    return from_the_end(users, np.lexsort((time, users)), np.bincount(users, minlength=n_users), each, each)


def from_the_end(
    users: Codes, order: NDArray[np.int64], counts: NDArray[np.int64], valid: NDArray[np.int64], test: NDArray[np.int64]
) -> tuple[Rows, Rows]:
    """Of each user, in that order of the rows, the last test[user], and the valid[user] before them; one row stays."""
    test = np.minimum(test, np.maximum(counts - 1, 0))
    valid = np.minimum(valid, np.maximum(counts - 1 - test, 0))
    left = np.empty(len(users), dtype=np.int64)  # rows of the same user from this one on
    left[order] = np.repeat(np.cumsum(counts), counts) - np.arange(len(users))
    in_test = left <= test[users]
    return ~in_test & (left <= (test + valid)[users]), in_test


def parted(dataset: Dataset, in_valid: Rows, in_test: Rows, *, repeats: bool) -> Split:
    """The split of those rows, each part in row order."""
    train, valid, test = (dataset.take(rows) for rows in (~in_valid & ~in_test, in_valid, in_test))
    return checked(Split(train, valid, test), repeats=repeats)


def same_columns(parts: list[Dataset]) -> None:
    """Raises DataError where parts have other columns."""
    for part in parts[1:]:
        if set(part.columns) != set(parts[0].columns):
            raise DataError(f"parts have other columns: {', '.join(parts[0].columns)} and {', '.join(part.columns)}")


def checked(split: Split, *, repeats: bool) -> Split:
    """The split, once it is clear that train is not empty, has both labels, and that nothing leaks."""
    train, paired = split.train, {"user", "item"} <= set(split.train.columns)
    labels = np.unique(train["label"]).tolist() if "label" in train.columns else None
    refuse(len(train), labels, leaks(split) if paired and not repeats and labels is None and len(train) else 0)
    return split


def refuse(train: int, labels: Sequence[float] | None, leaks: int) -> None:
    """Raises DataError where no row is for training, where train has one label only (None: rows have none), or where so
    many pairs of user and item stand in more than one part."""
    if train == 0:
        raise DataError("no row is left to train on: the shares are too large, or all times are equal")
    if labels is not None and len(labels) < 2:
        raise DataError(
            f"all {train:,} labels of train are {labels[0]:g}: a click model needs both. "
            "Say what is positive by a rule, or draw negatives",
            column="label",
        )
    if leaks:
        raise DataError(
            f"{leaks:,} pairs of user and item stand in more than one of train, validation and test; "
            "clean them with duplicates='last', or allow them with repeats=True",
            count=leaks,
        )


def leaks(split: Split) -> int:
    """How many pairs of user and item stand in more than one part."""
    width = split.train.n_items
    keys = np.empty(sum(len(part) for part in (split.train, split.valid, split.test)), dtype=np.int64)
    begin = 0
    for number, part in enumerate((split.train, split.valid, split.test)):
        mine = keys[begin : begin + len(part)]
        mine[:] = part["user"]
        mine *= width
        mine += part["item"]
        mine *= 4
        mine += number
        begin += len(part)
    return leaked(keys)


def leaked(keys: NDArray[np.int64]) -> int:
    """How many pairs stand in more than one part. keys: four times the number of a pair, and its part; it is sorted."""
    keys.sort()
    same = (keys[1:] >> 2) == (keys[:-1] >> 2)
    return len(np.unique(keys[1:][same & (keys[1:] != keys[:-1])] >> 2))


def with_means(split: Split) -> Split:
    """The split with the mean of a numeric field over train, in all three parts, where a number is missing (0 where
    train has none at all)."""
    means: dict[str, float] = {}
    for name, values in split.train.columns.items():
        if values.dtype == np.float32 and name not in ("rating", "label"):
            there = values[np.isfinite(values)]
            means[name] = float(there.mean(dtype=np.float64)) if len(there) else 0.0
    return Split(*(filled(part, means) for part in (split.train, split.valid, split.test))) if means else split


def filled(part: Dataset, means: Mapping[str, float]) -> Dataset:
    """The part with the means where a number is missing."""
    columns: dict[str, NDArray[Any]] = dict(part.columns)
    for name, mean in means.items():
        columns[name] = np.where(np.isnan(columns[name]), np.float32(mean), columns[name])
    return replace(part, columns=columns)
