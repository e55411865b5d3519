"""Paired differences of two models on the same cases: how sure they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recprune.evaluation.scores import ROOTED, Part

__all__ = ["bootstrap", "influence", "standard_error", "value"]

Numbers = NDArray[np.float64]
BLOCK = 8_000_000  # draws held at once


def value(metric: str, above: Numbers, below: Numbers) -> Numbers:
    """The metric from sums of values and sums of weights, element by element; NaN where there is nothing below."""
    mean: Numbers = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return np.sqrt(mean) if metric in ROOTED else mean


def weights(part: Part) -> Numbers:
    """(cases,) the weights of a part, ones where it has none."""
    return np.ones(len(part.values)) if part.weights is None else part.weights


def standard_error(metric: str, before: Part, after: Part) -> float:
    """Standard error of after - before on the same cases, by linearisation.

    For a mean over cases this is the standard deviation of the paired differences / sqrt(cases); for a ratio of sums
    and for a root it is the delta method (Cochran 1977, section 2.11).
    """
    change = influence(metric, after) - influence(metric, before)
    return float(change.std(ddof=1) / len(change) ** 0.5) if len(change) > 1 else float("nan")


def influence(metric: str, part: Part) -> Numbers:
    """(cases,) what each case adds to the metric, around 0: its deviation / sqrt(cases) is the standard error."""
    below = weights(part)
    mean = part.values.sum() / below.sum()
    with np.errstate(invalid="ignore"):
        out: Numbers = (part.values - mean * below) / below.mean()
    if metric in ROOTED:
        out = out / (2 * mean**0.5) if mean > 0 else np.zeros_like(out)
    return out


def bootstrap(
    metrics: Sequence[str],
    before: Mapping[str, Part],
    after: Mapping[str, Mapping[str, Part]],
    *,
    replicates: int,
    seed: int,
    level: float = 0.95,
) -> dict[tuple[str, str], tuple[float, float]]:
    """(model, metric) -> percentile interval of model - before, cases drawn again with replacement, `replicates` times.

    The same draws serve all models and metrics, so that the differences stay paired. Efron and Tibshirani 1993,
    section 13.3. before: metric -> part; after: model -> metric -> part.
    """
    sides = {"": before, **after}
    columns = [column for parts in sides.values() for name in metrics for column in _pair(parts[name])]
    stacked = np.stack(columns, axis=1)
    sums = _resampled(stacked, replicates, seed).reshape(replicates, len(sides), len(metrics), 2)
    out = {}
    tails = [50 * (1 - level), 50 * (1 + level)]
    for j, metric in enumerate(metrics):
        base = value(metric, sums[:, 0, j, 0], sums[:, 0, j, 1])
        for i, model in enumerate(after, start=1):
            change = value(metric, sums[:, i, j, 0], sums[:, i, j, 1]) - base
            change = change[np.isfinite(change)]
            low, high = np.percentile(change, tails) if len(change) else (np.nan, np.nan)
            out[model, metric] = (float(low), float(high))
    return out


def _pair(part: Part) -> tuple[Numbers, Numbers]:
    return part.values, weights(part)


def _resampled(stacked: Numbers, replicates: int, seed: int) -> Numbers:
    """(replicates, columns) sums of (cases, columns) over cases drawn again with replacement."""
    cases, rng = len(stacked), np.random.default_rng(seed)
    step = max(1, BLOCK // cases)
    out = np.empty((replicates, stacked.shape[1]))
    for begin in range(0, replicates, step):
        rows = min(step, replicates - begin)
        drawn = rng.integers(cases, size=(rows, cases)) + np.arange(rows)[:, None] * cases
        counts = np.bincount(drawn.ravel(), minlength=rows * cases).reshape(rows, cases)
        with np.errstate(invalid="ignore"):  # a case may cost infinitely much
            out[begin : begin + rows] = counts.astype(np.float64) @ stacked
    return out
