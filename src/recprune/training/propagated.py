"""propagated(): tables of users and items that learn through the graph of who had what."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recprune.data.dataset import Dataset, Histories
from recprune.data.graph import normal_graph
from recprune.training.along import Along
from recprune.training.inverse import inverse
from recprune.training.mapped import mapped

__all__ = ["Propagation", "propagated"]


class Propagation:
    """E -> mean over k = 0 .. layers of A^k E (He et al. 2020, equations 3 to 8 with alpha = 1 / (layers + 1)).

    A leads from users to items and back, an entry for every pair over the roots of both counts; what is unknown has no
    neighbours. A symmetric map of (n_users + n_items, dim), without eigenvalues below 0.
    """

    def __init__(self, histories: Histories, layers: int) -> None:
        normal, _ = normal_graph(histories)
        self._down, self._up, self.layers = Along(normal), Along(normal.T.tocsr()), layers

    def __call__(self, factors: Tensor) -> Tensor:
        found: Tensor = _Propagate.apply(factors, self)  # type: ignore[no-untyped-call]
        return found

    def spread(self, factors: Tensor) -> Tensor:
        """The map, without a gradient."""
        users, layer = self._down.shape[0], factors.detach()
        total = layer.clone()
        for _ in range(self.layers):
            layer = torch.cat([self._down(layer[users:]), self._up(layer[:users])])
            total += layer
        return total / (self.layers + 1)


def propagated(model: Any, data: Dataset) -> contextlib.AbstractContextManager[None]:
    """Inside, the tables of users and of items act as if spread along the graph, and what is behind them is trained;
    afterwards they are plain parameters with the spread values, which no request has to compute again.

    Which two tables, users first, and over how many layers, says `model.propagation()`; a model without it, or with 0
    layers, is left as it is. The tables begin with the values that they have, so that a training can go on.
    """
    users, items, layers = model.propagation() if hasattr(model, "propagation") else ("", "", 0)
    if not layers:
        return contextlib.nullcontext()
    spread = Propagation(data.histories(), layers)

    def forth(them: Sequence[Tensor]) -> Sequence[Tensor]:
        return torch.split(spread(torch.cat(list(them))), [len(each) for each in them])

    def back(them: Sequence[Tensor]) -> Sequence[Tensor]:
        return torch.split(inverse(spread, torch.cat(list(them))), [len(each) for each in them])

    return mapped(model, [users, items], forth, back)


class _Propagate(torch.autograd.Function):
    """The map is its own transpose."""

    @staticmethod
    def forward(ctx: Any, factors: Tensor, propagation: Propagation) -> Tensor:
        ctx.propagation = propagation
        return propagation.spread(factors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.propagation.spread(gradient), None
