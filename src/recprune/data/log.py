"""Log: one interaction a row, with outside ids. What could not be read stands aside, counted by reason."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from recprune.data.dataset import Roles
from recprune.data.intern import columns_with_a_role, interned
from recprune.data.keep import common, policy_of, tidied
from recprune.data.positive import read_by
from recprune.errors import DataError

__all__ = ["Log", "Rejected", "clean"]

ASIDE = pl.Schema({"file": pl.String, "line": pl.Int64, "reason": pl.String, "text": pl.String})
"""Columns of `Rejected.rows`; lines are counted from 1, as editors do (of Parquet: rows)."""


@dataclass(frozen=True, slots=True, eq=False)
class Rejected:
    """Rows that did not become part of a log.

    counts: reason -> number of rows, also of those that left by a rule of `clean`.
    rows: those that could not be read, columns `file`, `line`, `reason`, `text`; none of those that `clean` left out.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    rows: pl.LazyFrame = field(default_factory=lambda: pl.LazyFrame(schema=ASIDE))

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __add__(self, other: Rejected) -> Rejected:
        counts = dict(self.counts)
        for reason, count in other.counts.items():
            counts[reason] = counts.get(reason, 0) + count
        return Rejected(counts, pl.concat([self.rows, other.rows]))

    def counted(self, **reasons: int) -> Rejected:
        """With further counts, and no rows aside; underscores in a name stand for spaces, zeros are left out."""
        return self + Rejected({reason.replace("_", " "): count for reason, count in reasons.items() if count})

    def write(self, path: str | Path) -> None:
        """The rows aside as tab-separated text with a header: file, line, reason, text (quoted where needed)."""
        self.rows.sink_csv(path, separator="\t")


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """Interactions as they were written, one a row.

    frame: lazy; ids are strings (or Categorical after `clean`), `rating`, `label` and numeric columns numbers, `time`
    an integer, multi-valued columns lists of strings.
    roles: which column plays which part. rejected: what could not be read. source: where it came from, for messages.
    repeats: the same user may have the same item several times and mean it (sessions, baskets, sequences).
    spool: keeps temporary files of a large text alive as long as the log; None where there are none.
    origin: what was read, where that is no file of this machine: of a query its text, its number of rows and their
    checksum; of files from a storage the checksum of each. Plain data, without a password.
    """

    frame: pl.LazyFrame
    roles: Roles
    rejected: Rejected = field(default_factory=Rejected)
    source: str = ""
    repeats: bool = False
    spool: object = None
    origin: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        there = self.frame.collect_schema().names()
        for column in columns_with_a_role(self.roles):
            if column not in there:
                near = difflib.get_close_matches(column, there, n=1)
                rule = self.roles.positive
                read = f" for positive, {rule!r}" if rule and column in read_by(rule, self.roles) else ""
                raise DataError(
                    f"{self.source or 'log'}: no column {column!r}{read}; there are: {', '.join(there)}. "
                    f"{f'Did you mean {near[0]!r}? ' if near else ''}Name the columns by roles.",
                    path=self.source,
                    column=column,
                )

    def __len__(self) -> int:
        return int(self.frame.select(pl.len()).collect(engine="streaming").item())


def clean(
    log: Log,
    *,
    duplicates: str | None = None,
    k_core: int = 0,
    min_user: int = 0,
    min_item: int = 0,
    since: float | str | None = None,
    until: float | str | None = None,
) -> Log:
    """A log without what should not be learned from, in memory, with only the columns that have a role.

    In this order:
    1. rows with since <= time < until stay (numbers in the log's own unit, or dates as "2013-02-28", UTC).
    2. `duplicates`, rows of the same user and item: "last" keeps the latest by time (of equal times, or without a
       time, the lower one in the file), "first" the earliest (the upper one), "all" keeps every row, "sum" keeps the
       last with the sum of all their ratings. None: "all" where the log says that repeats are meant (`log.repeats`)
       or where it has a label (rows are moments, not pairs), "last" otherwise.
    3. `roles.positive`: rows that are not positive leave; where the log has a label they stay and the label says it.
    4. users with fewer than max(k_core, min_user) rows and items with fewer than max(k_core, min_item) rows leave,
       again and again until every user and item that stays has enough.
    Rows keep their order. Raises DataError for an unknown policy, a wrong date, and where no row is left.
    """
    roles = log.roles
    policy = policy_of(duplicates, roles, repeats=log.repeats)
    frame, roles, counts = tidied(interned(log.frame, roles), roles, policy, since, until)
    frame, counts["rare_user_or_item"] = common(frame, roles, max(k_core, min_user), max(k_core, min_item))
    if frame.height == 0:
        raise none_left(log.source, counts)
    return replace(log, frame=frame.lazy(), roles=roles, rejected=log.rejected.counted(**counts), spool=None)


def none_left(source: str, counts: Mapping[str, int]) -> DataError:
    """What is said where cleaning leaves no row; counts: as `Rejected.counted` takes them."""
    gone = ", ".join(f"{reason.replace('_', ' ')}: {count:,}" for reason, count in counts.items() if count)
    return DataError(f"{source or 'log'}: no row is left after cleaning ({gone or 'it was empty'})", path=source)
