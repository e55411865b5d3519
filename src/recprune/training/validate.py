"""Validation: the one number that early stopping reads, and after which epochs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch.nn.utils import parametrize

from recprune.data.dataset import Split
from recprune.errors import TrainingError
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.formulas import FORMULAS, LOWER_IS_BETTER, formula
from recprune.evaluation.inputs import Renumber
from recprune.models.recommender import ranks_items
from recprune.training.options import FitOptions

__all__ = ["Validation", "validation"]

RATED = ("rmse", "mae")
"""Metrics of ratings; other metrics of rows are of clicks."""


@dataclass(frozen=True, slots=True)
class Validation:
    """name: of the metric, empty where the validation part is; value(): of the model as it is now; sign: -1 where
    lower is better; every: epochs from one validation to the next."""

    name: str
    value: Callable[[], float]
    sign: float
    every: int = 1

    def due(self, epoch: int, last: int) -> bool:
        """Whether the model is judged after that epoch of `last`."""
        return bool(self.name) and (epoch % self.every == 0 or epoch == last)


def validation(model: Any, split: Split, options: FitOptions, renumber: Renumber | None = None) -> Validation:
    """How the model is judged while it is trained; by "ndcg@10" with lists of 10, whatever `options.k` is. Raises
    DataError for a metric that there is not, TrainingError for one by which no such model is judged."""
    metric = options.metric or _usual_metric(model, split)
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    if ranks_items(model) and "@" not in metric:
        metric = f"{metric}@{options.k}"
    formula(metric)
    name, at, length = metric.partition("@")
    k, there = int(length) if at else options.k, _metrics(model, split)
    metric = f"{name}@{k}" if at else name
    if len(split.valid) and (k < 1 or (f"{name}@k" if at else name) not in there):
        raise TrainingError(f"no metric {metric!r} for this model; there are: {', '.join(there)}", metric=metric)

    def value() -> float:
        with parametrize.cached():
            scores = evaluate(model, split, part="valid", k=k, renumber=renumber)
        found = scores.mean[metric]
        if found is None:
            why = scores.why.get(metric, "it is undefined there")
            raise TrainingError(f"the validation part gives no {metric}: {why}; choose another metric", metric=metric)
        return found

    return Validation(f"valid {metric}" if len(split.valid) else "", value, sign, options.every)


def _usual_metric(model: Any, split: Split) -> str:
    if ranks_items(model):
        return "ndcg"
    return "auc" if "label" in split.valid.columns else "rmse"


def _metrics(model: Any, split: Split) -> list[str]:
    """Those by which such a model is judged on such data, as `FORMULAS` names them."""
    if ranks_items(model):
        return [name for name in FORMULAS if name.endswith("@k")]
    rated = "label" not in split.train.columns
    return [name for name in FORMULAS if not name.endswith("@k") and (name in RATED) == rated]
