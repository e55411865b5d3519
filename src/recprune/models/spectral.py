"""Spectral: a filter of the graph of users and items. Shen et al. 2021, "How Powerful is Graph Convolution ..." """

from __future__ import annotations

from typing import Any, Self

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Histories, Split
from recprune.data.graph import normal_graph
from recprune.encodings.faces import scores, summed
from recprune.encodings.item_item import ItemItem
from recprune.kernels.gram import largest_of_gram
from recprune.models._item_item import blank, check_solvable, item_item, of_entries
from recprune.models._precision import alike
from recprune.models._vectors import right_vectors

__all__ = ["Spectral"]


class Spectral(nn.Module):
    """scores = h (P + alpha D^-1/2 V V' D^1/2): GF-CF (Shen et al. 2021, section 4.3), h the 0/1 history.

    With R of the histories, D_u and D the users' and the items' counts: N = D_u^-1/2 R D^-1/2, P = N'N the linear
    filter, V the first `dim` right singular vectors of N, the ideal low-pass. P is held by its entries, of every item
    to score the `k` largest of P_ij sqrt(n_i) (how much an item i, that often had, adds in all); with k of n_items it
    is all of P. V is a table, with the roots of D beside it. Where dims leave, those that stay score as before.

    forward: history (batch, n_items) 0/1 -> scores (batch, n_items). entries: of the item-item part that there is.
    """

    def __init__(
        self, n_items: int, dim: int = 256, alpha: float = 0.3, k: int = 200, entries: int | None = None
    ) -> None:
        super().__init__()
        entries = n_items if entries is None else entries
        self.config: dict[str, Any] = {"n_items": n_items, "dim": dim, "alpha": alpha, "k": k, "entries": entries}
        self.columns: tuple[str, ...] = ("history",)
        self.items: nn.Module = blank(n_items, entries)
        self.item = nn.Embedding(n_items, dim)
        self.root: Tensor
        self.register_buffer("root", torch.ones(n_items))
        self.reset_parameters()

    @classmethod
    def of(cls, split: Split, dim: int = 256, alpha: float = 0.3, k: int = 200) -> Self:
        """The model for the items of a split, with no more dims than its graph can have."""
        most = max(1, min(split.train.n_users, split.train.n_items) - 1)
        return cls(split.train.n_items, min(dim, most), alpha, k)

    def reset_parameters(self) -> None:
        """All zero: what is random in finding V is drawn by a fixed seed."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, history: Tensor) -> Tensor:
        history = alike(history, self.root)
        low = scores(self.item, summed(self.item, history / self.root)) * self.root
        found: Tensor = self.items(history) + float(self.config["alpha"]) * low
        return found

    @torch.no_grad()
    def refit_(self, histories: Histories, reg: float | None = None) -> None:
        """Filter the graph of these histories. Where entries have left, those that stay get their values anew; of a
        table that dims have left, the dims are the first singular vectors again, as many as there are.

        reg: alpha, the weight of the low-pass (None: the model's own). Raises DataError where the matrix is packed or
        the histories are of another number of items.
        """
        n_items = int(self.config["n_items"])
        check_solvable(self.items, histories, n_items)
        self.config["alpha"] = float(self.config["alpha"]) if reg is None else reg
        graph, roots = normal_graph(histories)
        held, weight = self.items, self.item.weight
        assert isinstance(held, ItemItem)
        weight.copy_(torch.from_numpy(right_vectors(graph, weight.shape[1])))
        self.root.copy_(torch.from_numpy(roots))
        if len(held.values) < self.config["entries"]:
            held.values.copy_(torch.from_numpy(of_entries(graph, held)))
            return
        self.items = item_item(_filter(graph, roots, int(self.config["k"])), held.values.dtype)
        self.config["entries"] = len(self.items.values)


def _filter(graph: sp.csr_matrix, roots: NDArray[np.float32], k: int) -> sp.csr_matrix:
    """P, of every row (an item to score) the k entries that add most."""
    found = largest_of_gram(graph, k, own=True, by=roots)
    found.data /= roots[found.indices]
    return found
