"""prepare(): from a raw log to a split that models learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recprune.data.bins import binned
from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.encode import encode, missing
from recprune.data.intern import columns_with_a_role
from recprune.data.log import Log, Rejected, clean
from recprune.data.negatives import with_negatives
from recprune.data.pasts import with_pasts
from recprune.data.rare import without_rare
from recprune.data.split import (
    only_outside_train,
    shares,
    split_by_time,
    split_by_user_time,
    split_given,
    split_last,
    split_random,
    with_means,
)
from recprune.data.store import save_split
from recprune.errors import DataError
from recprune.recipe.stages import Stage, silent

__all__ = ["PASTS", "WAYS", "Columns", "Prepared", "SplitBy", "counts", "keep", "prepare", "way_of"]

PASTS = 20
"""Items of the past that are kept where a model needs some and nothing is said."""


@dataclass(frozen=True, slots=True)
class SplitBy:
    """How a log is parted.

    way: "user" (the last share of each user, by time), "time" (one moment for everybody), "last" (the last item of each
    user, and the one before it), "random", or "auto": "user" where there are times and no labels, "time" where there
    are both, else "random". valid, test: shares; "last" takes no share. seed: of what is drawn.
    """

    way: str = "auto"
    valid: float = 0.1
    test: float = 0.2
    seed: int = 0

    def refuse(self) -> None:
        """Raises DataError for a way that there is not, and for shares that are none, before anything is read."""
        if self.way not in ("auto", *WAYS):
            raise DataError(f"no way to split named {self.way!r}; there are: auto, {', '.join(WAYS)}", split=self.way)
        if self.way != "last":
            shares(self.valid, self.test)


@dataclass(frozen=True, slots=True)
class Columns:
    """What columns become once the rows are parted.

    min_count: ids that train has fewer times count as unknown (`recprune.data.rare.without_rare`); 0 keeps all.
    bins: numeric field -> most bins, "squared_log" or "distinct" (`recprune.data.bins.binned`). impute: whether missing
    numbers become the mean over train; otherwise they stay missing. pasts: items that each user had before each row
    (`recprune.data.pasts.with_pasts`), so many, or 0 for none.
    """

    bins: Mapping[str, int | str] = field(default_factory=dict)
    impute: bool = False
    pasts: int = 0
    min_count: int = 0

    def made(self, split: Split) -> Split:
        """The split with such columns. Raises DataError where one cannot be made."""
        split = without_rare(split, self.min_count) if self.min_count else split
        split = binned(split, self.bins)
        split = with_means(split) if self.impute else split
        return with_pasts(split, self.pasts) if self.pasts else split


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """split: what models learn from. way: how it was parted. rejected: what was left out, and why. missing: fields that
    lack values in the log -> in how many rows. rare: column -> how many of its ids became unknown. sources: what it was
    made of, where that is no file of this machine."""

    split: Split
    way: str
    rejected: Rejected
    missing: Mapping[str, int] = field(default_factory=dict)
    rare: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[Mapping[str, Any], ...] = ()

    def facts(self) -> dict[str, Any]:
        """Counts, as plain data."""
        left_out, sources = dict(self.rejected.counts), {"sources": list(self.sources)} if self.sources else {}
        rare = {"rare ids": dict(self.rare)} if self.rare else {}
        told = {"missing": dict(self.missing), **rare, "left out": left_out, **sources}
        return {"split": self.way, **counts(self.split), **told}


WAYS: Mapping[str, Callable[[Dataset, SplitBy, bool], Split]] = {
    "user": lambda d, by, repeats: split_by_user_time(d, by.test, by.valid, repeats=repeats),
    "time": lambda d, by, repeats: split_by_time(d, by.valid, by.test, repeats=repeats),
    "last": lambda d, by, repeats: split_last(d, repeats=repeats),
    "random": lambda d, by, repeats: split_random(d, by.valid, by.test, by.seed, repeats=repeats),
}
"""Ways to part a dataset."""


def counts(split: Split) -> dict[str, Any]:
    """Rows, ids and columns of a split, as plain data."""
    return {
        "rows": {name: len(getattr(split, name)) for name in ("train", "valid", "test")},
        "ids": {name: len(vocabulary.ids) for name, vocabulary in split.vocabularies.items()},
        "columns": list(split.train.columns),
        "only outside train": {name: n for name, n in only_outside_train(split).items() if n},
    }


def prepare(
    log: Log,
    *,
    test: Log | None = None,
    valid: Log | None = None,
    cleaning: Mapping[str, Any] | None = None,
    by: SplitBy | None = None,
    negatives: int = 0,
    columns: Columns | None = None,
    stage: Stage = silent,
) -> Prepared:
    """Clean, encode and split a log; with `test` (and `valid`) the parts are as given.

    cleaning: the options of `clean`; of given parts each is cleaned by itself. negatives: drawn for each positive, so
    that click models have something to tell apart (`with_negatives` states the rule). columns: what columns become;
    edges of bins, means and pasts are those of the log's own rows, before negatives are drawn.
    Raises DataError for a way that there is not, and what the stages raise.
    """
    by = by or SplitBy()
    if not columns_with_a_role(log.roles):
        there = ", ".join(log.frame.collect_schema().names()[:30])
        raise DataError(
            f"{log.source or 'log'}: nothing says which column plays which part; there are: {there}. Name some "
            "by flags such as --user, --item, --label and --categorical, by a log.toml, or by roles",
            path=log.source,
        )
    with stage("clean") as say:
        logs = [clean(part, **(cleaning or {})) for part in (log, test, valid) if part is not None]
        rejected = sum((part.rejected for part in logs), Rejected())
        sources = tuple(source for part in logs for source in part.origin)
        say(f"{len(logs[0]):,} rows stay, {len(rejected):,} left out")
    with stage("encode and split") as say:
        way = "given" if test is not None else way_of(by, logs[0].roles)
        if test is not None:
            split = split_given(logs[0], logs[1], logs[2] if valid is not None else None)
        else:
            repeats, dataset = logs[0].repeats, encode(logs[0])
            logs.clear()  # a large log is not kept in memory three times: as it was, encoded and parted
            split = WAYS[way](dataset, by, repeats)
            del dataset
        lacking = _lacking(split)
        ids = {name: len(vocabulary) for name, vocabulary in split.vocabularies.items()}
        split = (columns or Columns()).made(split)
        rare = {name: n - len(split.vocabularies[name]) for name, n in ids.items() if n > len(split.vocabularies[name])}
        if negatives:
            split = with_negatives(split, negatives, by.seed)
        say(f"{way}: {len(split.train):,} train, {len(split.valid):,} validation, {len(split.test):,} test")
    return Prepared(split, way, rejected, lacking, rare, sources)


def _lacking(split: Split) -> dict[str, int]:
    found = [missing(part) for part in (split.train, split.valid, split.test)]
    return {
        name: sum(part.get(name, 0) for part in found) for name in split.train.columns if any(name in p for p in found)
    }


def way_of(by: SplitBy, roles: Roles) -> str:
    """The way to split that is meant. Raises DataError for one that there is not."""
    by.refuse()
    if by.way != "auto":
        return by.way
    if roles.time is None or roles.user is None:
        return "random" if roles.time is None else "time"
    return "time" if roles.label else "user"


def keep(prepared: Prepared, folder: Path) -> None:
    """Write the split, and beside it the lines that could not be read (rejected.tsv): both, or neither."""
    save_split(prepared.split, folder, prepared.sources, prepared.rejected)
