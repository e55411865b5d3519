"""In which order, and at which step size, training goes through the data."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recprune.training.options import FitOptions

__all__ = ["batches", "rate"]


GROUP = 32
"""Batches among which rows of one length are put together."""


def batches(size: int, batch: int, generator: torch.Generator, lengths: Tensor | None = None) -> list[Tensor]:
    """All rows once, in a drawn order; a single row left over joins the batch before it (a norm needs two).

    lengths: (size,) of the rows, where a batch takes as long as its longest row: of every 32 batches of the order the
    rows are sorted by length, and the batches are drawn in an order again.
    """
    order = torch.randperm(size, generator=generator)
    if lengths is not None:
        groups = torch.split(order, batch * GROUP)
        order = torch.cat([group[lengths[group].argsort(stable=True)] for group in groups])
    parts = list(torch.split(order, batch))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts if lengths is None else [parts[i] for i in torch.randperm(len(parts), generator=generator)]


def rate(options: FitOptions, done: float) -> float:
    """The learning rate after so many epochs of this training."""
    done = (options.before + done) / (options.of or options.before + options.epochs)
    if options.schedule == "linear":
        return options.lr * (1.0 - done)
    return options.lr * 0.5 * (1.0 + math.cos(math.pi * done)) if options.schedule == "cosine" else options.lr
