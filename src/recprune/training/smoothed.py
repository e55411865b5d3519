"""smoothed(): item factors that learn through the graph of what is had together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from recprune.data.dataset import Dataset, Histories
from recprune.data.graph import normal_graph
from recprune.errors import TrainingError

__all__ = ["Graph", "smoothed"]

STEPS = 200
"""Most steps of conjugate gradients; a share of 0.9 takes some 30."""


class Graph:
    """N of the 0/1 histories: each entry over the root of the user's and of the item's count. Item 0 is left out."""

    def __init__(self, histories: Histories) -> None:
        normal, _ = normal_graph(histories)
        self._down, self._up = normal, normal.T.tocsr()

    def spread(self, factors: Tensor) -> Tensor:
        """(n_items, dim): N'N factors. Of the items to those who had them, and back."""
        rows = factors.detach().numpy()
        return torch.from_numpy(self._up @ (self._down @ rows)).to(factors.dtype)


class Smoothing(nn.Module):
    """x -> (1 - share) x + share N'N x, a symmetric map that leaves what neighbours have in common.

    One layer of LightGCN (He et al. 2020, section 3.1) from items to items, with the layer before it, weighed.
    """

    def __init__(self, graph: Graph, share: float) -> None:
        super().__init__()
        self.graph, self.share = graph, share

    def forward(self, factors: Tensor) -> Tensor:
        found: Tensor = _Spread.apply(factors, self.graph, self.share)  # type: ignore[no-untyped-call]
        return found

    def right_inverse(self, factors: Tensor) -> Tensor:
        """What is smoothed to these factors, by conjugate gradients: every eigenvalue is from 1 - share to 1."""
        out = factors.detach().clone()
        rest = factors.detach() - _smooth(out, self.graph, self.share)
        way, size = rest.clone(), (rest * rest).sum(0)
        goal = 1e-10 * (factors.detach() ** 2).sum(0)
        for _ in range(STEPS):
            if bool((size <= goal).all()):
                break
            turned = _smooth(way, self.graph, self.share)
            length = size / (way * turned).sum(0).clamp(min=torch.finfo(size.dtype).tiny)
            out += length * way
            rest -= length * turned
            before, size = size, (rest * rest).sum(0)
            way = rest + size / before.clamp(min=torch.finfo(size.dtype).tiny) * way
        return out


@contextlib.contextmanager
def smoothed(model: Any, data: Dataset) -> Iterator[None]:
    """Inside, tables of item factors act as smoothed ones, and what is behind them is trained; afterwards each is the
    plain parameter again, with the smoothed values. A table begins with the values that it has.

    Which tables, and by which share, says `model.smoothing()`; a model without it is left as it is. Steps along the
    graph carry over to items that were had by the same users, so that rare items learn from common ones. What else is
    done to a table (`rounded`) is done to the smoothed one. Raises TrainingError for a share that is not 0 to below 1.
    """
    shares = model.smoothing() if hasattr(model, "smoothing") else {}
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise TrainingError(f"smooth is a share, 0 to below 1, not {share}: {name} cannot be smoothed", tensor=name)
    graph = Graph(data.histories()) if any(shares.values()) else None
    with contextlib.ExitStack() as stack:
        for name, share in shares.items():
            if graph is not None and share:
                stack.enter_context(_through(model, name, Smoothing(graph, share)))
        yield


@contextlib.contextmanager
def _through(model: nn.Module, name: str, smoothing: Smoothing) -> Iterator[None]:
    path, _, attribute = name.rpartition(".")
    module = model.get_submodule(path)
    if not parametrize.is_parametrized(module, attribute):
        order = list(module._parameters)
        parametrize.register_parametrization(module, attribute, smoothing)
        try:
            yield
        finally:
            parametrize.remove_parametrizations(module, attribute, leave_parametrized=True)
            for each in order:
                module._parameters[each] = module._parameters.pop(each)
        return
    chain: Any = module.parametrizations[attribute]  # type: ignore[index]
    with torch.no_grad():
        chain.original.copy_(smoothing.right_inverse(chain.original))
    chain.insert(0, smoothing)
    try:
        yield
    finally:
        del chain[0]
        with torch.no_grad():
            chain.original.copy_(smoothing(chain.original))


def _smooth(factors: Tensor, graph: Graph, share: float) -> Tensor:
    return (1 - share) * factors + share * graph.spread(factors)


class _Spread(torch.autograd.Function):
    """The map is its own transpose."""

    @staticmethod
    def forward(ctx: Any, factors: Tensor, graph: Graph, share: float) -> Tensor:
        ctx.graph, ctx.share = graph, share
        return _smooth(factors, graph, share)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _smooth(gradient, ctx.graph, ctx.share), None, None
