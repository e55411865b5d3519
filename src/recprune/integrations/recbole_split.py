"""part_of(): which rows RecBole gives to train, validation and test, row for row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recprune.errors import DataError

__all__ = ["Way", "part_of", "way_of"]

Rows = NDArray[np.int64]
LEFT_OUT = {"valid_and_test": (1, 1), "test_only": (0, 1)}
"""Mode of LS -> rows of each user in validation and in test."""


@dataclass(frozen=True, slots=True)
class Way:
    """How `eval_args` part the rows. split: "RS", "LS" or "TS". order: "RO", drawn with `seed`, or "TO", by time.
    by_user: whether shares are of each user. shares: of the three parts, of RS and TS. last: rows of each user in
    validation and in test, of LS."""

    split: str
    order: str
    by_user: bool
    seed: int
    shares: tuple[float, ...] = ()
    last: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        return f"{self.split} {self.order}{' by user' if self.by_user else ''}, as RecBole does"


def way_of(args: Mapping[str, Any], seed: int) -> Way:
    """What `eval_args` say, with RecBole's own values for what they leave out. Raises DataError for another way."""
    order, group = args.get("order", "RO"), args.get("group_by", "user")
    said = args.get("split") or {"RS": [0.8, 0.1, 0.1]}
    by_user = group == "user"
    how: Any
    (split, how), *more = said.items() if isinstance(said, Mapping) else [("", None)]
    if not more and order in ("RO", "TO") and (by_user or str(group).lower() == "none"):
        if split in ("RS", "TS") and _are_shares(how) and (split == "RS" or order == "TO"):
            shares = tuple(share / sum(how) for share in how)
            return Way(split, order, by_user or split == "TS", seed, shares)
        if split == "LS" and how in LEFT_OUT:
            return Way(split, order, True, seed, last=LEFT_OUT[how])
    raise DataError(
        f"eval_args {dict(args)} are not followed; these are: RS of three shares, in time order (TO) or at random "
        "(RO), by user or ungrouped; TS of three shares in time order; LS valid_and_test or test_only",
        eval_args=dict(args),
    )


def _are_shares(how: Any) -> bool:
    return isinstance(how, Sequence) and len(how) == 3 and all(isinstance(x, int | float) and x >= 0 for x in how)


def part_of(way: Way, users: NDArray[np.integer[Any]], time: NDArray[Any] | None) -> NDArray[np.int8]:
    """(n,) 0 for train, 1 for validation, 2 for test, of rows in the order of the file (RecBole 1.2,
    `data.dataset.Dataset.build`).

    users: (n,) one number a user. time: (n,), needed in time order; compared as float32, as there. At random rows are
    drawn as torch does after `torch.manual_seed(seed)`, which is what `run_recbole` begins with.
    """
    order = _order(way, len(users), time)
    owners: NDArray[np.integer[Any]] = users[order] if way.by_user else np.zeros(len(users), dtype=np.int64)
    out = np.empty(len(users), dtype=np.int8)
    if way.split == "TS":
        out[order] = _by_moment(way.shares, owners, _as_there(time)[order])
        return out
    cuts = _last(way.last) if way.split == "LS" else _shares(way.shares)
    place, count = _places(owners)
    bounds = np.array([cuts(size) for size in range(int(count.max(initial=0)) + 1)])
    out[order] = (place >= bounds[count, 0]).astype(np.int8) + (place >= bounds[count, 1])
    return out


def _order(way: Way, n: int, time: NDArray[Any] | None) -> Rows:
    if way.order == "TO":
        return np.argsort(_as_there(time), kind="stable")
    drawn: Rows = torch.randperm(n, generator=torch.Generator().manual_seed(way.seed)).numpy()
    return drawn


def _as_there(time: NDArray[Any] | None) -> NDArray[np.float32]:
    if time is None:
        raise DataError("order TO needs times: load the column that TIME_FIELD names (load_col)", column="time")
    return time.astype(np.float32)


def _places(owners: NDArray[np.integer[Any]]) -> tuple[Rows, Rows]:
    """(n,) of each row how many of the same owner stand before it, and how many that owner has."""
    order = np.argsort(owners, kind="stable")
    _, begins, counts = np.unique(owners[order], return_index=True, return_counts=True)
    place, count = np.empty((2, len(owners)), dtype=np.int64)
    place[order] = np.arange(len(owners)) - np.repeat(begins, counts)
    count[order] = np.repeat(counts, counts)
    return place, count


def _shares(shares: Sequence[float]) -> Callable[[int], tuple[int, int]]:
    """Number of rows -> where validation and test begin: their shares are rounded down, but to one row at least where
    two stay in train."""

    def cuts(n: int) -> tuple[int, int]:
        valid, test = int(shares[1] * n), int(shares[2] * n)
        if n - valid - test > 1 and 0 < shares[2] * n < 1:
            test += 1
        if n - valid - test > 1 and 0 < shares[1] * n < 1:
            valid += 1
        return n - valid - test, n - test

    return cuts


def _last(last: tuple[int, int]) -> Callable[[int], tuple[int, int]]:
    """Number of rows -> where validation and test begin: test gives way last, and one row stays in train."""

    def cuts(n: int) -> tuple[int, int]:
        test = min(last[1], max(n - 1, 0))
        valid = min(last[0], max(n - 1 - test, 0))
        return n - valid - test, n - test

    return cuts


def _by_moment(
    shares: Sequence[float], owners: NDArray[np.integer[Any]], time: NDArray[np.float32]
) -> NDArray[np.int8]:
    """What is later than one moment for everybody is test; of what each user has before, the last share validation."""
    test = time > np.percentile(time, 100 * (1 - shares[2]))
    out = np.where(test, 2, 0).astype(np.int8)
    place, count = _places(owners[~test])
    out[~test] = place >= (count * (shares[0] / (1 - shares[2]))).astype(np.int64)
    return out
