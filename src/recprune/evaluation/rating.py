"""Ratings: how far scores are from what was rated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.errors import DataError
from recprune.evaluation.scores import Part, Scores, from_parts

__all__ = ["rating_scores"]


def rating_scores(predicted: NDArray[Any], ratings: NDArray[Any], part: str = "test") -> Scores:
    """RMSE and MAE of (n,) predictions against (n,) ratings, in the unit of the ratings.

    Raises DataError for no rows, or where either holds NaN or an infinite number.
    """
    x, y = np.asarray(predicted, dtype=np.float64), np.asarray(ratings, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(f"expected one rating a row, {y.shape}, and the model gives {x.shape}", shape=x.shape)
    if not len(x):
        raise DataError("no rows to judge ratings by: the part is empty")
    for values, what in ((x, "the model's scores"), (y, "the ratings")):
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(f"{what} are numbers, and row {row} has {values[row]}", row=row)
    parts = {"rmse": Part((x - y) ** 2), "mae": Part(np.abs(x - y))}
    mean, why = from_parts(parts)
    return Scores(mean, parts, np.arange(len(y)), "row", part, why, raw={"score": x, "rating": y})
