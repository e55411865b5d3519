"""Clicks: how well logits tell positive rows from negative ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit

from recprune.errors import DataError
from recprune.evaluation.scores import Part, Scores, from_parts

__all__ = ["auc", "auc_influence", "click_scores", "delong"]

Numbers = NDArray[np.float64]


def click_scores(logits: NDArray[Any], labels: NDArray[Any], part: str = "test") -> Scores:
    """AUC, logloss, accuracy, precision, recall and F1 at p >= 0.5 of (n,) logits against (n,) labels 0 or 1.

    Where a metric says nothing (one class only, nothing predicted positive) it is None, and `why` has the reason.
    Raises DataError for no rows, NaN, or a label that is neither 0 nor 1.
    """
    x, y = _checked(logits, labels)
    positive = y > 0
    said = expit(x) >= 0.5
    right = (said & positive).astype(np.float64)
    parts = {
        "logloss": Part(np.logaddexp(0, np.where(positive, -x, x))),
        "accuracy": Part((said == positive).astype(np.float64)),
        "precision": Part(right, said.astype(np.float64)),
        "recall": Part(right, y),
        "f1": Part(2 * right, said + y),
    }
    mean, why = from_parts(parts)
    mean = {"auc": None, **mean}
    if positive.all() or not positive.any():
        why["auc"] = f"all {len(y):,} labels are {int(y[0])}; AUC compares two classes"
    else:
        mean["auc"] = auc(x, y)
    if not positive.any():
        for name in ("precision", "recall", "f1"):
            mean[name], why[name] = None, f"none of {len(y):,} rows is positive"
    elif not said.any():
        mean["precision"], why["precision"] = None, "no row has p >= 0.5"
    return Scores(mean, parts, np.arange(len(y)), "row", part, why, raw={"score": x, "label": y})


def _checked(logits: NDArray[Any], labels: NDArray[Any]) -> tuple[Numbers, Numbers]:
    x, y = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(f"expected one logit a row, {y.shape}, and the model gives {x.shape}", shape=x.shape)
    if not len(x):
        raise DataError("no rows to judge clicks by: the part is empty")
    if np.isnan(x).any():
        raise DataError("the model gives NaN as a logit; train it again, with a smaller learning rate", scores="nan")
    if not np.isin(y, (0.0, 1.0)).all():
        other = y[~np.isin(y, (0.0, 1.0))][0]
        raise DataError(f"labels are 0 or 1, and there is {other:g}; say what counts as positive", column="label")
    return x, y


def auc(scores: Numbers, labels: Numbers) -> float:
    """Area under the ROC curve by ranks (Mann-Whitney U / pairs), tied scores counting one half, exact.

    scores (n,), labels (n,) 0 or 1 with both present. Hanley and McNeil 1982, section "The Wilcoxon statistic".
    """
    positive = labels > 0
    m, n = int(positive.sum()), int((~positive).sum())
    ranks = _midranks(scores)[positive]
    return float((ranks.sum() - m * (m + 1) / 2) / (m * n))


def delong(first: Numbers, second: Numbers, labels: Numbers) -> tuple[float, float]:
    """Difference AUC(second) - AUC(first) on the same rows, and its standard error.

    DeLong, DeLong and Clarke-Pearson 1988, section 2; by _midranks, so O(n log n): Sun and Xu 2014, algorithm 2.
    first, second: (n,) scores; labels: (n,), two of each class at least.
    """
    places = [_placements(scores, labels) for scores in (first, second)]
    of_positive, of_negative = places[1][0] - places[0][0], places[1][1] - places[0][1]
    variance = of_positive.var(ddof=1) / len(of_positive) + of_negative.var(ddof=1) / len(of_negative)
    return float(of_positive.mean()), float(variance**0.5)


def auc_influence(scores: Numbers, labels: Numbers) -> Numbers:
    """(n,) what each row adds to the AUC, around 0: the deviation of these / sqrt(n) is DeLong's standard error.

    A positive counts (share of negatives below it - AUC) * n / positives, a negative likewise (DeLong et al. 1988).
    """
    of_positive, of_negative = _placements(scores, labels)
    out, positive = np.empty(len(labels)), labels > 0
    out[positive] = (of_positive - of_positive.mean()) * len(labels) / len(of_positive)
    out[~positive] = (of_negative - of_negative.mean()) * len(labels) / len(of_negative)
    return out


def _midranks(numbers: Numbers) -> Numbers:
    """(n,) places in ascending order, from 1 on; equal numbers share the mean of theirs."""
    return pl.Series(numbers).rank("average").to_numpy()


def _placements(scores: Numbers, labels: Numbers) -> tuple[Numbers, Numbers]:
    """Of each positive the share of negatives below it, of each negative the share of positives above it."""
    positive = labels > 0
    above, below = scores[positive], scores[~positive]
    ranks = _midranks(scores)
    of_positive = (ranks[positive] - _midranks(above)) / len(below)
    of_negative = 1 - (ranks[~positive] - _midranks(below)) / len(above)
    return of_positive, of_negative
