"""What columns are asked to tell: numbers, classes, or the directions that the columns share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.data.ridge import principal_components
from recprune.data.standardise import Standardised
from recprune.errors import DataError

__all__ = ["shared_directions", "targets_of"]

MOST_CLASSES = 20  # different whole numbers that are classes


def shared_directions(z: Standardised, components: int) -> NDArray[np.float64]:
    """(n, k) the targets where there is no y."""
    varies = np.setdiff1d(np.arange(z.shape[1]), z.constant)
    return principal_components(z.take(varies), components) if len(varies) else np.zeros((z.shape[0], 1))


def targets_of(y: NDArray[Any]) -> NDArray[np.float64]:
    """(n, k) numbers of mean 0 and variance 1. Raises DataError where y has one value only."""
    values = np.unique(y) if y.ndim == 1 else np.zeros(0)
    if len(values) and are_classes(values):
        numbers = (y[:, None] == (values[1:] if len(values) == 2 else values)).astype(np.float64)
    else:
        numbers = y.reshape(len(y), -1).astype(np.float64)
    numbers = numbers - numbers.mean(0)
    deviation = numbers.std(0)
    numbers = numbers[:, deviation > 0] / deviation[deviation > 0]
    if numbers.shape[1] == 0:
        raise DataError(
            f"y has one value only (one class; {len(y):,} rows), which no column can help to tell; give y that "
            "varies, or no y at all",
            rows=len(y),
        )
    return np.asarray(numbers)


def are_classes(values: NDArray[Any]) -> bool:
    """Whether those distinct values are classes."""
    if values.dtype.kind not in "fiu":
        return True
    return len(values) <= MOST_CLASSES and bool((values == np.floor(values)).all())
