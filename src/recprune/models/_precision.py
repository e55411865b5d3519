"""alike(): numbers of the data in the precision of a model."""

from __future__ import annotations

from torch import Tensor

__all__ = ["alike"]


def alike(numbers: Tensor, weights: Tensor) -> Tensor:
    """The numbers in the precision of the weights; they themselves where they have it, so that nothing is traced."""
    return numbers if numbers.dtype == weights.dtype else numbers.to(weights.dtype)
