"""In which order, and at which step size, training goes through the data."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recprune.training.options import FitOptions

__all__ = ["batches", "rate"]


def batches(size: int, batch: int, generator: torch.Generator) -> list[Tensor]:
    """All rows once, in a drawn order; a single row left over joins the batch before it (a norm needs two)."""
    parts = list(torch.split(torch.randperm(size, generator=generator), batch))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def rate(options: FitOptions, done: float) -> float:
    """The learning rate after so many epochs of this training."""
    done = (options.before + done) / (options.of or options.before + options.epochs)
    if options.schedule == "linear":
        return options.lr * (1.0 - done)
    return options.lr * 0.5 * (1.0 + math.cos(math.pi * done)) if options.schedule == "cosine" else options.lr
