"""bench(): the runtimes of a model's folder, timed on its data and recorded beside its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recprune.artifact.recording import record
from recprune.artifact.speeds import Speeds, Took
from recprune.artifact.writing import checksum
from recprune.data.dataset import Histories, Split
from recprune.errors import ArtifactError, ExtensionError
from recprune.evaluation.inputs import columns_of, ranks, row_inputs
from recprune.recipe.shelf import Shelved, drawn, take
from recprune.runtimes.asking import Columns, arrays
from recprune.runtimes.measure import BATCHES, Measured, calling, compiled, measure
from recprune.serving.known import known_of
from recprune.serving.measure import Requests, measure_lists
from recprune.serving.measure import calling as calling_lists
from recprune.serving.ways import ways

__all__ = ["Bench", "bench", "request_of"]

LONGEST = 50
"""Items of a history that is drawn, at most."""
ASKING = 256
"""Rows or users that single requests come from, in turn: of a few, what they need of a large model would stay in the
cache."""


@dataclass(frozen=True, slots=True)
class Bench:
    """speeds: as they are recorded. refused: runtime -> why it was not timed. asked: with what. unit: what a call is
    of, rows or users."""

    speeds: Speeds
    refused: Mapping[str, str]
    asked: str
    unit: str = "rows"


def bench(
    folder: Path,
    data: Path | None = None,
    own: str | None = None,
    *,
    batches: Sequence[int] = (),
    only: Sequence[str] = (),
    repeats: int = 200,
    seconds: float = 3.0,
    seed: int = 0,
    k: int = 20,
    keep: bool = True,
    say: Callable[[str], None] = lambda words: None,
) -> Bench:
    """Time the runtimes of the model in a folder, and keep what was found there.

    A model of rows is asked for answers, and one that ranks for the `k` best items of users, without what they had.
    data: rows or users to ask with, drawn by the seed; without, where the data is gone that the model was trained on,
    codes are drawn. The rest is as in `measure` and `measure_lists`. Raises ArtifactError for a model that ranks and
    was stored without the ids of its items, and what `take` and `record` raise.
    """
    shelved = take(folder, own, data)
    sizes = tuple(sorted(set(batches or BATCHES)))
    split = shelved.split_if_there(data)
    how: dict[str, Any] = {"batches": sizes, "repeats": repeats, "seconds": seconds, "say": say}
    if ranks(shelved.model):
        found, real = _of_lists(shelved, split, max(256, *sizes), only, seed, k, how)
        asked, unit = ("users of the data" if real else "drawn histories"), "users"
    else:
        columns = _columns(shelved, split, max(256, *sizes), seed)
        found, unit = measure(shelved.model, columns, only=only, **how), "rows"
        asked = "drawn codes" if split is None else "rows of the data"
    took = {
        rows: {name: Took(one.median, one.low, one.high) for name, one in row.items()}
        for rows, row in found.speeds.items()
    }
    speeds = Speeds(checksum(shelved.model), found.machine, took, found.fastest())
    if keep:
        record(folder, speeds)
    return Bench(speeds, found.refused, asked, unit)


def request_of(
    folder: Path, way: str, data: Path | None = None, own: str | None = None, *, seed: int = 0, k: int = 20
) -> Callable[[], object]:
    """A call for one row, or one user of a model that ranks, another with each, as that runtime answers it; what it
    asks with is what `bench` does. Raises ExtensionError for one that does not take the model."""
    shelved = take(folder, own, data)
    split = shelved.split_if_there(data)
    if ranks(shelved.model):
        asked, sizes, _ = _requests(shelved, split, ASKING, seed, k)
        ready, refused = ways(shelved.model, *sizes, only=[way])
        calls: dict[str, Callable[[], object]] = {
            name: calling_lists(found, asked, 1, ASKING) for name, found in ready.items()
        }
    else:
        columns = _columns(shelved, split, ASKING, seed)
        runs, refused = compiled(shelved.model, columns, only=[way])
        calls = {name: calling(run, columns, 1, ASKING) for name, run in runs.items()}
    if way not in calls:
        raise ExtensionError(f"{way} does not take the model of {folder}: {refused.get(way)}", name=way)
    return calls[way]


def _columns(shelved: Shelved, split: Split | None, rows: int, seed: int) -> Columns:
    """Rows of train in an order of their own, in the model's codes, or drawn ones."""
    if split is None or not len(split.train):
        return arrays(drawn(shelved.model, shelved.vocabularies, rows, seed))
    train = shelved.own(split).train
    order = np.resize(np.random.default_rng(seed).permutation(len(train)), rows)
    return arrays(row_inputs(shelved.model, train, order))


def _of_lists(
    shelved: Shelved, split: Split | None, users: int, only: Sequence[str], seed: int, k: int, how: Mapping[str, Any]
) -> tuple[Measured, bool]:
    """What was measured, and whether users were of the data."""
    requests, sizes, real = _requests(shelved, split, users, seed, k)
    return measure_lists(lambda: ways(shelved.model, *sizes, only=only, say=how["say"]), requests, **how), real


def _requests(
    shelved: Shelved, split: Split | None, users: int, seed: int, k: int
) -> tuple[Requests, tuple[int, int], bool]:
    """What is asked, rows of the items and users of the model, and whether users are of the data."""
    items, there = shelved.vocabularies.get("item"), shelved.vocabularies.get("user")
    if items is None:
        raise ArtifactError(
            f"{shelved.folder} was stored without the ids of its items; store it with vocabularies=split.vocabularies",
            path=str(shelved.folder),
        )
    n_users = 1 if there is None else len(there)
    asked = None if split is None else _of_data(shelved, split, users, seed, k)
    requests = asked or _drawn(len(items), n_users, users, seed, k)
    return requests, (len(items), n_users), asked is not None


def _of_data(shelved: Shelved, split: Split, users: int, seed: int, k: int) -> Requests | None:
    """Users of train that the model knows something of, in an order of their own; None where there are none."""
    known = known_of(split, shelved.codes(split), "train")
    by_user = "user" in columns_of(shelved.model)
    here = np.concatenate([[0], np.cumsum(known.histories.items > 0)])[known.histories.starts]
    warm = np.flatnonzero(known.codes > 0 if by_user else np.diff(here) > 0)
    if not len(warm):
        return None
    order = np.resize(np.random.default_rng(seed).permutation(warm), users)
    return Requests(order, known.histories, known.codes, k)


def _drawn(n_items: int, n_users: int, users: int, seed: int, k: int) -> Requests:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, min(LONGEST, max(2, n_items // 2)), users)
    items = rng.integers(min(1, n_items - 1), n_items, int(lengths.sum())).astype(np.int32)
    histories = Histories(np.concatenate([[0], np.cumsum(lengths)]), items, n_items)
    return Requests(np.arange(users), histories, rng.integers(0, n_users, users), k)
