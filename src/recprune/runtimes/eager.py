"""The model as torch runs it, operation by operation."""

from __future__ import annotations

import torch
from torch import nn

from recprune.runtimes.asking import Answer, Columns, Compiled

__all__ = ["eager"]


def eager(model: nn.Module, example: Columns) -> Compiled:
    """The model itself: what the others are compared with. numpy has no bfloat16, which comes out as float32."""
    still = model.eval()

    @torch.inference_mode()
    def call(columns: Columns) -> Answer:
        said = still(*map(torch.from_numpy, columns))
        found: Answer = (said.float() if said.dtype is torch.bfloat16 else said).numpy()
        return found

    return call
