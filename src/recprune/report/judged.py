"""judged(): both models on the same cases, one by one: what lists, groups and single rows are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.inputs import known, ranks
from recprune.evaluation.scores import Scores
from recprune.recipe.shelf import Shelved

__all__ = ["Judged", "judged"]

NEAR = 0.01
"""Share of a metric by which another machine, or another number of threads, may differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """before, after: what each model scored on the test part, case by case. users: (cases,) the user of each case, 0
    where there is none. seen: (cases,) how many items of that user were known before the test part."""

    before: Scores
    after: Scores
    users: NDArray[np.int64]
    seen: NDArray[np.int64]


def judged(whole: Shelved, small: Shelved, split: Split, k: int, comparison: Comparison | None) -> Judged:
    """Judge both models on the test part. Raises DataError where that gives other numbers than the comparison says:
    then this is other data."""
    before = evaluate(whole.model, split, k=k, renumber=whole.codes(split))
    after = evaluate(small.model, split, k=k, renumber=small.codes(split))
    if comparison is not None and not comparison.seeds:
        _same(before, comparison, "before")
        _same(after, comparison, "after")
    if not {"user", "item"} <= split.vocabularies.keys():
        nobody = np.zeros(len(before.cases), dtype=np.int64)
        return Judged(before, after, nobody, nobody)
    users = before.cases if ranks(whole.model) else split.test["user"].astype(np.int64)
    return Judged(before, after, users, known(split, "test").counts()[users])


def _same(found: Scores, comparison: Comparison, side: str) -> None:
    metric = comparison.headline
    said, now = comparison.sides[side].metrics[metric], found.mean.get(metric)
    if said is None or now is None or abs(said - now) <= NEAR * max(abs(said), NEAR):
        return
    raise DataError(
        f"the comparison says {metric} {said:.4f} of the model {side} pruning, and on this data it has {now:.4f}: give "
        "the prepared folder that was compared on (--data), or compare again: recprune compare BEFORE AFTER -o "
        "comparison.json",
        metric=metric,
    )
