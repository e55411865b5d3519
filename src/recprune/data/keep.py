"""Which rows of a log stay: those inside a window of time, one of each pair, the positive ones, the common ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.data.dataset import Roles
from recprune.data.guess import is_number
from recprune.data.positive import positive
from recprune.errors import DataError

__all__ = ["POLICIES", "common", "once", "policy_of", "positives", "tidied", "within"]

POLICIES = ("last", "first", "all", "sum")
"""What can be done about several rows of the same user and item, see `clean`."""


LARGEST = 1e11
"""Seconds since 1970 that no log holds: they end in the year 5138; of milliseconds so many were reached in 1973."""


def policy_of(said: str | None, roles: Roles, *, repeats: bool) -> str:
    """What is done about repeated pairs, see `clean`. Raises DataError for a policy that there is not."""
    policy = said or ("all" if repeats or roles.label else "last")
    if policy not in POLICIES:
        raise DataError(f"duplicates: expected one of {', '.join(POLICIES)}, not {policy!r}", duplicates=policy)
    return policy


def tidied(
    frame: pl.DataFrame, roles: Roles, policy: str, since: float | str | None, until: float | str | None
) -> tuple[pl.DataFrame, Roles, dict[str, int]]:
    """The first three steps of `clean`, which look at no user but their own: rows in their order, roles, and what left.

    frame: as `interned` made it, perhaps with further columns. It may be a part of a log that holds its users whole.
    """
    counts = {}
    frame, counts["outside_the_time_window"] = within(frame, roles, since, until)
    frame, counts["repeated_pair"] = once(frame, roles, policy)
    frame, roles, counts["not_positive"] = positives(frame, roles)
    return frame, roles, counts


def within(
    frame: pl.DataFrame, roles: Roles, since: float | str | None, until: float | str | None
) -> tuple[pl.DataFrame, int]:
    """Rows inside the window, and how many were not."""
    if since is None and until is None:
        return frame, 0
    if roles.time is None:
        raise DataError("since and until need a column with the role time")
    if is_date(since) or is_date(until):
        in_seconds(frame[roles.time])
    keep = pl.lit(True)
    if since is not None:
        keep = keep & (pl.col(roles.time) >= moment(since))
    if until is not None:
        keep = keep & (pl.col(roles.time) < moment(until))
    kept = frame.filter(keep)
    return kept, frame.height - kept.height


def in_seconds(times: pl.Series) -> None:
    """Raises DataError where times are no seconds since 1970, so that a date says nothing of them."""
    middle = times.abs().median()
    if isinstance(middle, float) and middle > LARGEST:
        raise DataError(
            f"column {times.name}: times such as {middle:.0f} are no seconds since 1970, but look like milliseconds; a "
            "date means seconds, so give since and until as numbers in the log's own unit",
            column=times.name,
        )


def is_date(when: float | str | None) -> bool:
    """Whether it is text that is no number."""
    return isinstance(when, str) and not is_number(when)


def moment(when: float | str) -> float:
    """A number as it is; a date or date and time (UTC where it names no zone) as seconds since 1970."""
    if not isinstance(when, str):
        return when
    if not is_date(when):
        return float(when)
    try:
        date = datetime.fromisoformat(when)
    except ValueError:
        raise DataError(f"expected a number or a date like 2013-02-28, not {when!r}", time=when) from None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def once(frame: pl.DataFrame, roles: Roles, policy: str) -> tuple[pl.DataFrame, int]:
    """One row for every user and item, by the policy, and how many rows left."""
    user, item, rating = roles.user, roles.item, roles.rating
    if policy == "sum" and rating is None:
        raise DataError("duplicates='sum' adds up ratings: name a column with the role rating")
    if policy == "all" or user is None or item is None or frame.height == 0:
        return frame, 0
    rows, keys = repeated(pair_keys(frame, user, item))
    if len(rows) == 0:
        return frame, 0
    time = frame[roles.time].gather(rows).to_numpy() if roles.time else rows
    order = np.lexsort((rows, time, keys))
    rows, keys = rows[order], keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    ends = np.append(starts[1:], len(rows)) - 1
    chosen = rows[starts if policy == "first" else ends]
    if policy == "sum" and rating is not None:
        values = frame[rating].to_numpy().copy()
        values[chosen] = np.add.reduceat(values[rows].astype(np.float64), starts)
        frame = frame.with_columns(pl.Series(rating, values))
    keep = np.ones(frame.height, dtype=bool)
    keep[rows] = False
    keep[chosen] = True
    return frame.filter(pl.Series(keep)), len(rows) - len(chosen)


def repeated(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows whose key stands more than once, and their keys (0 or more); those of one key side by side.

    Where a key and its row fit into 63 bits together, one sort of plain numbers does; `keys` may be overwritten.
    """
    bits = len(keys).bit_length()
    if int(keys.max()).bit_length() + bits <= 63:
        keys <<= bits
        keys |= np.arange(len(keys))
        keys.sort()
        twice = keys[np.flatnonzero(alike(keys >> bits))]
        return twice & ((1 << bits) - 1), twice >> bits
    order = np.argsort(keys)
    ordered = keys[order]
    several = alike(ordered)
    return order[several], ordered[several]


def alike(ordered: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) whether the number before or behind is the same."""
    same = ordered[1:] == ordered[:-1]
    out = np.zeros(len(ordered), dtype=bool)
    out[1:] |= same
    out[:-1] |= same
    return out


def positives(frame: pl.DataFrame, roles: Roles) -> tuple[pl.DataFrame, Roles, int]:
    """Only positive rows; where there is a label, all rows with the label 1 or 0."""
    if roles.positive is None:
        return frame, roles, 0
    test = positive(roles.positive, roles, frame.schema)
    if roles.label:
        marked = frame.with_columns(test.cast(pl.Float32).alias(roles.label))
        return marked, replace(roles, positive=None), 0
    kept = frame.filter(test)
    return kept, roles, frame.height - kept.height


def common(frame: pl.DataFrame, roles: Roles, fewest_user: int, fewest_item: int) -> tuple[pl.DataFrame, int]:
    """Rows of users and items that are not rare, and how many left."""
    sides = [(roles.user, fewest_user), (roles.item, fewest_item)]
    thresholds = [(name, fewest) for name, fewest in sides if fewest > 1 and name is not None]
    if not thresholds or frame.height == 0:
        return frame, 0
    codes = [frame[name].to_physical().to_numpy() for name, _ in thresholds]
    keep = enough(codes, [fewest for _, fewest in thresholds])
    return frame.filter(pl.Series(keep)), frame.height - int(keep.sum())


def enough(codes: Sequence[NDArray[np.integer]], fewest: Sequence[int]) -> NDArray[np.bool_]:
    """(n,) the rows of the largest set in which code `c` of `codes[s]` stands `fewest[s]` times or more, for every s.

    Batagelj and Zaversnik 2003: the fixpoint does not depend on the order in which rows leave.
    """
    keep = np.ones(len(codes[0]), dtype=bool)
    left = -1
    while left != (left := int(keep.sum())):
        for side, least in zip(codes, fewest, strict=True):
            counts = np.bincount(side[keep])
            rare = np.ones(int(side.max()) + 1, dtype=bool)
            rare[: len(counts)] = counts < least
            keep &= ~rare[side]
    return keep


def pair_keys(frame: pl.DataFrame, user: str, item: str) -> NDArray[np.int64]:
    """(n,) one integer for each pair of user and item."""
    items = frame[item].to_physical().to_numpy()
    width = int(items.max()) + 1
    keys = frame[user].to_physical().to_numpy().astype(np.int64)
    keys *= width
    keys += items
    return keys
