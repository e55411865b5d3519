"""timed: milliseconds of models that share their data, side by side, on real inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import nn

from recprune.data.dataset import Split
from recprune.evaluation.evaluate import task_of
from recprune.evaluation.inputs import known, ranks, row_inputs, user_inputs
from recprune.evaluation.speed import Speed, compare_speed

__all__ = ["timed"]


def timed(
    models: Mapping[str, nn.Module],
    split: Split,
    *,
    rows: int = 1,
    part: str = "valid",
    k: int = 20,
    repeats: int = 50,
    threads: int | None = 1,
    seconds: float = 10.0,
) -> dict[str, Speed]:
    """One call with `rows` users (of a model that ranks) or rows of a part; all models take the same codes."""
    first = next(iter(models.values()))
    if ranks(first):
        before = known(split, part)
        cases = np.resize(np.flatnonzero(before.counts() > 0), rows)
        inputs = user_inputs(first, before, cases)
    else:
        inputs = row_inputs(first, getattr(split, part), np.resize(np.arange(len(getattr(split, part))), rows))
    listed = k if task_of(first, split) == "ranking" else None
    return compare_speed(models, inputs, k=listed, repeats=repeats, threads=threads, seconds=seconds)
