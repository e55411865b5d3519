"""Items drawn as negatives, more often the more popular they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from recprune.data.dataset import Histories

__all__ = ["sampler"]


def sampler(
    histories: Histories, power: float, where: torch.device | None = None
) -> tuple[Tensor, Callable[[tuple[int, ...], torch.Generator], Tensor]]:
    """log q (n_items,) with q ~ count ** power, and a function that draws items by it; item 0 is never drawn. What is
    drawn is put `where`, and is the same everywhere: the generator is one of the processor."""
    counts = torch.from_numpy(np.bincount(histories.items, minlength=histories.n_items)).double()
    weights = counts.clamp(min=1.0) ** power
    weights[0] = 0.0
    q = weights / weights.sum()
    edges = q.cumsum(0)

    def draw(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        spots = torch.rand(shape, generator=generator, dtype=torch.float64)
        return torch.searchsorted(edges, spots, right=True).clamp(1, histories.n_items - 1).to(where)

    return q.log().float().to(where), draw
