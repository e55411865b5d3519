"""The k highest of scores that are already there."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recprune.dispatch import kernels

__all__ = ["best_of_scores"]


def best_of_scores(scores: Tensor, k: int) -> tuple[Tensor, bool] | None:
    """(users, k) int64 positions of the highest of (users, n) scores, equal ones by their number, 0 where only -inf is
    left; and whether a score is NaN. None where no kernel does this: not float32, not on the processor, not compiled.
    """
    native = kernels()
    if native is None or scores.dtype is not torch.float32 or scores.device.type != "cpu" or scores.dim() != 2:
        return None
    items = np.empty((len(scores), k), dtype=np.int64)
    nan = native[0].top_of_scores(native[1], scores.detach().contiguous().numpy(), items)
    return torch.from_numpy(items), bool(nan)
