"""What is drawn for a batch; items drawn as negatives, more often the more popular they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from recprune.data.dataset import Histories

__all__ = ["Drawing", "forgotten", "sampler", "uniform"]


class Drawing(torch.Generator):
    """A generator of one of several workers, who all draw the same. share: where this worker's rows of the batch begin
    and end, and how many the batch has."""

    share: tuple[int, int, int] = (0, 0, 0)


def uniform(
    shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype | None = None, *, of_rows: bool
) -> Tensor:
    """Numbers from 0 to below 1. of_rows: the first axis is that of the rows of a batch, of which this worker may have
    a share only; otherwise they are drawn for the batch as a whole."""
    if not of_rows or not isinstance(generator, Drawing):
        return torch.rand(shape, generator=generator, dtype=dtype)
    begin, end, rows = generator.share
    return torch.rand((rows, *shape[1:]), generator=generator, dtype=dtype)[begin:end]


def forgotten(codes: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """The codes (rows, ...) of a batch, with that share of them replaced by 0; a share of 0 draws nothing."""
    if not share:
        return codes
    away = uniform(tuple(codes.shape), generator, of_rows=True) < share
    return codes.masked_fill(away.to(codes.device), 0)


def sampler(
    histories: Histories, power: float, where: torch.device | None = None
) -> tuple[Tensor, Callable[[tuple[int, ...], torch.Generator], Tensor]]:
    """log q (n_items,) with q ~ count ** power, and a function that draws items by it, (n,) for a batch or (rows, n)
    for its rows; item 0 is never drawn. What is drawn is put `where`, and is the same everywhere: the generator is one
    of the processor."""
    counts = torch.from_numpy(np.bincount(histories.items, minlength=histories.n_items)).double()
    weights = counts.clamp(min=1.0) ** power
    weights[0] = 0.0
    q = weights / weights.sum()
    edges = q.cumsum(0)

    def draw(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        spots = uniform(shape, generator, torch.float64, of_rows=len(shape) > 1)
        return torch.searchsorted(edges, spots, right=True).clamp(1, histories.n_items - 1).to(where)

    return q.log().float().to(where), draw
