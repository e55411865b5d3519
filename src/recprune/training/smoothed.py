"""smoothed(): item factors that learn through the graph of what is had together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from recprune.data.dataset import Dataset, Histories
from recprune.data.graph import normal_graph
from recprune.errors import TrainingError
from recprune.evaluation.inputs import device_of
from recprune.training.along import Along
from recprune.training.inverse import inverse
from recprune.training.mapped import mapped

__all__ = ["Graph", "smoothed"]


class Graph:
    """N of the 0/1 histories: each entry over the root of the user's and of the item's count. Item 0 is left out.

    counts: (n_items,) float32 how many had each item, 1 where nobody had.
    """

    def __init__(self, histories: Histories) -> None:
        normal, roots = normal_graph(histories)
        self._down, self._up = Along(normal), Along(normal.T.tocsr())
        self.counts = torch.from_numpy(roots).square()

    def spread(self, factors: Tensor) -> Tensor:
        """(n_items, dim): N'N factors. Of the items to those who had them, and back."""
        return self._up(self._down(factors))

    def smooth(self, factors: Tensor, share: float) -> Tensor:
        """(1 - share) x + share N'N x, a symmetric map that leaves what neighbours have in common; its eigenvalues are
        from 1 - share to 1.

        One layer of LightGCN (He et al. 2020, section 3.1) from items to items, with the layer before it, weighed.
        """
        found: Tensor = _Smooth.apply(factors, self, share)  # type: ignore[no-untyped-call]
        return found


@contextlib.contextmanager
def smoothed(model: Any, data: Dataset) -> Iterator[None]:
    """Inside, tables of item factors act as smoothed ones, and what is behind them is trained; afterwards each is the
    plain parameter again, with the smoothed values. A table begins with the values that it has.

    Which tables, by which share, and by which power of how many had an item its row is made shorter afterwards, says
    `model.smoothing()`; a model without it is left as it is. Steps along the graph carry over to items that were had by
    the same users, so that rare items learn from common ones. What else is done to a table (`rounded`) is done to the
    smoothed one. Raises TrainingError for a share that is not 0 to below 1.
    """
    tables = model.smoothing() if hasattr(model, "smoothing") else {}
    for name, (share, _) in tables.items():
        if not 0 <= share < 1:
            raise TrainingError(f"smooth is a share, 0 to below 1, not {share}: {name} cannot be smoothed", tensor=name)
    graph = Graph(data.histories()) if any(any(how) for how in tables.values()) else None
    with contextlib.ExitStack() as stack:
        for name, how in tables.items():
            if graph is not None and any(how):
                stack.enter_context(_smoothed(model, name, graph, *how))
        yield


def _smoothed(
    model: Any, name: str, graph: Graph, share: float, damp: float
) -> contextlib.AbstractContextManager[None]:
    shorter = graph.counts[:, None].to(device_of(model)) ** -damp

    def smooth(factors: Tensor) -> Tensor:
        return graph.smooth(factors, share)

    return mapped(
        model,
        [name],
        lambda them: [(smooth(them[0]) * shorter).to(them[0].dtype)],
        lambda them: [inverse(smooth, them[0] / shorter)],
    )


class _Smooth(torch.autograd.Function):
    """The map is its own transpose."""

    @staticmethod
    def forward(ctx: Any, factors: Tensor, graph: Graph, share: float) -> Tensor:
        ctx.graph, ctx.share = graph, share
        return (1 - share) * factors + share * graph.spread(factors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return (1 - ctx.share) * gradient + ctx.share * ctx.graph.spread(gradient), None, None
