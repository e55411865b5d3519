"""The model as torch runs it, operation by operation."""

from __future__ import annotations

import torch
from torch import nn

from recprune.runtimes.asking import Answer, Columns, Compiled

__all__ = ["eager"]


def eager(model: nn.Module, example: Columns) -> Compiled:
    """The model itself: what the others are compared with."""
    still = model.eval()

    @torch.inference_mode()
    def call(columns: Columns) -> Answer:
        found: Answer = still(*map(torch.from_numpy, columns)).numpy()
        return found

    return call
