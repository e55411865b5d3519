"""Two sets of columns, compared by the models trained on them: is the smaller set worse, or was it ill luck?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import NormalDist

import numpy as np
from torch import nn

from recprune.data.dataset import Dataset, Split
from recprune.data.idle import without_columns
from recprune.errors import DataError
from recprune.evaluation.clicks import delong
from recprune.evaluation.evaluate import row_scores
from recprune.evaluation.inputs import columns_of, ranks
from recprune.recipe.stages import Stage

__all__ = ["BuildAndFit", "Trials", "judged"]

BuildAndFit = Callable[[Split, int], nn.Module]
"""(split, seed) -> a new model of rows, trained; the seed draws its weights and all else."""

MOST = 3
"""Trainings of each side where one of each says that the second is worse."""


class Trials:
    """Models that were trained without some columns, by seed after seed. left: column -> why it left."""

    def __init__(
        self, build_and_fit: BuildAndFit, split: Split, left: Mapping[str, str], seed: int, stage: Stage
    ) -> None:
        self.left, self.models = left, list[nn.Module]()
        self._build_and_fit, self._split, self._seed, self._stage = build_and_fit, split, seed, stage
        self.train_(1)

    @property
    def model(self) -> nn.Module:
        """The first one."""
        return self.models[0]

    def train_(self, number: int) -> None:
        """Train more until there are so many. Raises DataError for a model that takes no fields."""
        part = without_columns(self._split, self.left)
        while len(self.models) < number:
            with self._stage("train") as say:
                model = self._build_and_fit(part, self._seed + len(self.models))
                if ranks(model):
                    raise DataError(f"{type(model).__name__} ranks items for a user and takes no fields to select from")
                self.models.append(model)
                say(f"{len(columns_of(model))} fields")


def judged(before: Trials, after: Trials, valid: Dataset, level: float) -> tuple[float, float, bool]:
    """Quality of what came after minus what was before, its standard error, and whether it is worse at `level`.

    AUC where rows have a label (DeLong et al. 1988), else the fall of the mean squared error, paired row by row. Where
    a training of each says worse, both are trained up to MOST times, and the mean difference is judged; the spread
    between the trainings is in its standard error.
    """
    gain, error = _apart(before, after, valid)
    bar = NormalDist().inv_cdf(level)
    if gain < -bar * error:
        before.train_(MOST)
        after.train_(MOST)
        gain, error = _apart(before, after, valid)
    return gain, error, gain < -bar * error


def _apart(before: Trials, after: Trials, valid: Dataset) -> tuple[float, float]:
    """Mean difference over the trainings that both have; over other rows of this sort, and over trainings."""
    pairs = list(zip(before.models, after.models, strict=False))
    gains, errors = np.array([_difference(*pair, valid) for pair in pairs]).T
    between = gains.var(ddof=1) / len(pairs) if len(pairs) > 1 else 0.0
    return float(gains.mean()), float(((errors**2).mean() + between) ** 0.5)


def _difference(before: nn.Module, after: nn.Module, valid: Dataset) -> tuple[float, float]:
    first, second = (row_scores(model, valid) for model in (before, after))
    if "label" in valid.columns:
        return delong(first, second, valid["label"].astype(np.float64))
    rating = valid["rating"].astype(np.float64)
    better = (first - rating) ** 2 - (second - rating) ** 2
    return float(better.mean()), float(better.std(ddof=1) / len(better) ** 0.5)
