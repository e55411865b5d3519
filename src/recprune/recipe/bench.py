"""bench(): the runtimes of a model's folder, timed on its data and recorded beside its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recprune.artifact.recording import record
from recprune.artifact.speeds import Speeds, Took
from recprune.artifact.writing import checksum
from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.evaluation.inputs import ranks, row_inputs
from recprune.recipe.shelf import Shelved, drawn, take
from recprune.runtimes.asking import Columns, arrays
from recprune.runtimes.measure import BATCHES, measure

__all__ = ["Bench", "bench"]


@dataclass(frozen=True, slots=True)
class Bench:
    """speeds: as they are recorded. refused: runtime -> why it was not timed. asked: with what."""

    speeds: Speeds
    refused: Mapping[str, str]
    asked: str


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
    keep: bool = True,
    say: Callable[[str], None] = lambda words: None,
) -> Bench:
    """Time the runtimes of the model in a folder, and keep what was found there.

    data: rows to ask with, drawn by the seed; without, where the data is gone that the model was trained on, codes are
    drawn. The rest is as in `measure`. Raises DataError for a model that ranks items, whose lists are served by kernels
    of their own, and what `take` and `record` raise.
    """
    shelved = take(folder, own, data)
    if ranks(shelved.model):
        raise DataError(
            f"{folder} ranks items, and runtimes are of models that score rows; `recprune serve` finds by itself which "
            "kernel lists its items",
            model=type(shelved.model).__name__,
        )
    sizes = tuple(sorted(set(batches or BATCHES)))
    split = shelved.split_if_there(data)
    columns = _columns(shelved, split, max(256, *sizes), seed)
    found = measure(shelved.model, columns, batches=sizes, only=only, repeats=repeats, seconds=seconds, say=say)
    took = {
        rows: {name: Took(one.median, one.low, one.high) for name, one in row.items()}
        for rows, row in found.speeds.items()
    }
    speeds = Speeds(checksum(shelved.model), found.machine, took, found.fastest())
    if keep:
        record(folder, speeds)
    return Bench(speeds, found.refused, "drawn codes" if split is None else "rows of the data")


def _columns(shelved: Shelved, split: Split | None, rows: int, seed: int) -> Columns:
    """Rows of train in an order of their own, in the model's codes, or drawn ones."""
    if split is None or not len(split.train):
        return arrays(drawn(shelved.model, shelved.vocabularies, rows, seed))
    train = shelved.own(split).train
    order = np.resize(np.random.default_rng(seed).permutation(len(train)), rows)
    return arrays(row_inputs(shelved.model, train, order))
