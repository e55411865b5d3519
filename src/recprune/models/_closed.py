"""What models that are solved in closed form ask of what they are given."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recprune.data.dataset import Histories
from recprune.errors import DataError

__all__ = ["check_items", "check_reg", "counts_of", "popularity_scale"]


def check_items(histories: Histories, n_items: int) -> None:
    """Raise DataError where the histories are of another number of items."""
    if histories.n_items != n_items:
        raise DataError(
            f"the model has {n_items:,} items and the histories have {histories.n_items:,}; encode both alike",
            expected=n_items,
            found=histories.n_items,
        )


def check_reg(reg: float) -> None:
    """Raise DataError for a strength by which a matrix may have no inverse."""
    if not reg > 0:
        raise DataError(f"reg must be above 0, not {reg!r}: the matrix to invert would be singular", reg=reg)


def popularity_scale(histories: Histories, power: float) -> Tensor:
    """(n_items,) float32 n^-power of how many users had each item (1 where nobody had), 1 in the mean."""
    scale = counts_of(histories) ** -power
    return scale / scale.mean()


def counts_of(histories: Histories) -> Tensor:
    """(n_items,) float32 how many users had each item, 1 where nobody had."""
    counts = np.maximum(np.bincount(histories.once().items, minlength=histories.n_items), 1)
    return torch.from_numpy(counts.astype(np.float32))
