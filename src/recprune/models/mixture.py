"""Mixture: factors, and short walks from item to item. Kabbur et al. 2013; Cooper et al. 2014."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Histories
from recprune.data.graph import normal_graph
from recprune.encodings.faces import Packed
from recprune.encodings.item_item import ItemItem
from recprune.errors import DataError
from recprune.kernels.gram import largest_of_gram
from recprune.models._item_item import blank, check_solvable, item_item, of_entries
from recprune.models._precision import as_held
from recprune.models.fism import Fism

__all__ = ["Mixture"]

TINY = 1e-20

FOUND = 4
"""One of so many pairs at least is found in histories of which they are."""


class Mixture(Fism):
    """score(u, j) = log(p(j | u) + share * q(j | u)): what factors say of a user, and what neighbours say.

    p is the softmax of `fism` over all items. q is where a walk ends that goes from an item of the history, drawn
    evenly, to a user who had it and on to an item that this user had (P3, Cooper et al. 2014, section 2): the sum over
    i of the history of sum_u x_ui x_uj / (n_i n_u), over its sum over all j; an item is not its own. Factors
    generalise, neighbours remember; where they agree both are surer. p is trained, q is counted, once, when a training
    begins.
    memory: "items" holds of every item j the `k` largest i by sum_u x_ui x_uj / (n_u sqrt(n_i n_j)) and no others;
    "users" holds who had what, and walks when it is asked. That takes a fraction of the bytes, and a part of the pairs,
    as `coherence` finds it, tells nearly all.

    forward: history (batch, n_items) 0/1 -> scores (batch, n_items), logarithms. entries: of what is held.
    """

    def __init__(
        self,
        n_items: int,
        dim: int = 64,
        smooth: float = 0.9,
        damp: float = 0.3,
        temperature: float = 0.06,
        start: str = "spectral",
        memory: str = "items",
        k: int = 100,
        share: float = 1.0,
        entries: int | None = None,
    ) -> None:
        super().__init__(n_items, dim, smooth, damp, temperature, start)
        if share < 0 or k < 1:
            raise DataError(f"share is 0 or more and k is 1 or more, not {share} and {k}", share=share, k=k)
        if memory not in ("items", "users"):
            raise DataError(f"memory is items or users, not {memory!r}", memory=memory)
        entries = n_items if entries is None else entries
        self.config |= {"memory": memory, "k": k, "share": share, "entries": entries}
        self.items: nn.Module = blank(n_items, entries)
        self._drawn()

    def reset_parameters(self) -> None:
        """Factors as in `fism`; no walks."""
        if hasattr(self, "items"):
            for parameter in self.items.parameters():
                nn.init.zeros_(parameter)
        super().reset_parameters()

    def forward(self, history: Tensor) -> Tensor:
        history = as_held(history, self.item)
        found = torch.softmax(super().forward(history), 1)
        held: Any = self.items.stored if isinstance(self.items, Packed) else self.items
        near: Tensor = self.items(history) if self.config["memory"] == "items" else held.walk(history)
        near = near.detach() if self.training else near  # counted, and not learned
        tiny = max(TINY, torch.finfo(near.dtype).tiny)
        near = near / near.sum(1, keepdim=True).clamp(min=tiny)
        return torch.log(found + float(self.config["share"]) * near + tiny)

    @torch.no_grad()
    def start_(self, histories: Histories) -> None:
        """Count the walks of these histories, and begin the factors as `start` says. Where entries have left, those
        that stay are counted anew."""
        if self.config["start"] == "spectral":
            super().start_(histories)
        n_items, held = int(self.config["n_items"]), self.items
        check_solvable(held, histories, n_items)
        assert isinstance(held, ItemItem)
        if self.config["memory"] == "users":
            return self._remember(histories, held)
        if len(held.values) < self.config["entries"]:
            held.values.copy_(_counted(histories, held))
            return
        graph, roots = normal_graph(histories)
        self.items = item_item(_walks(graph, roots, int(self.config["k"])), held.values.dtype)
        self.config["entries"] = len(self.items.values)

    @torch.no_grad()
    def remembering(self, histories: Histories) -> Mixture:
        """A copy that remembers of these histories what this one holds of others: the same entries, of new numbers.

        Asked for a pair that it remembers, the model knows it by heart; so planning, where what is asked for is a part
        of train, asks a copy that remembers the rest.
        """
        out = copy.deepcopy(self)
        held: Any = out.items
        of_users = self.config["memory"] == "users"
        found = _had(histories, held) if of_users else _counted(histories, held)
        if of_users and FOUND * int(found.sum()) < len(found):
            raise DataError(
                f"of {len(found):,} pairs that are remembered {int(found.sum()):,} are of these histories: rows are "
                "other users, or stand in another order (`arranged`). Plan for the model as it was before"
            )
        held.values.copy_(found)
        return out

    @torch.no_grad()
    def arranged(self, kept: NDArray[np.int64]) -> Mixture:
        """A copy that gives the same scores, and remembers who had what in another order of users: by the first item of
        each among the entries `kept` of "items.entry", as a plan tells them; who has none comes last.

        `pair_gaps` then stores of a first item how much further it is than that of the user before, so that the pairs
        of Gowalla take 9 % less. Plan again for the copy: more pairs stay, and may be arranged once more.
        Rows are no rows of the histories any more: `remembering` refuses it. Raises DataError for memory="items".
        """
        out, held = copy.deepcopy(self), self.items
        if self.config["memory"] != "users" or not isinstance(held, ItemItem):
            raise DataError("users are arranged where they are remembered: memory='users', and not packed")
        mask = torch.zeros(len(held.values), dtype=torch.bool)
        mask[torch.from_numpy(kept)] = True
        counts = torch.bincount(held.rows()[mask], minlength=held.out_features)
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        some = ItemItem(held.values[mask], held.indices[mask], starts, held.in_features)
        out.items = held.arranged(some.first_columns().argsort(stable=True))
        return out

    def _remember(self, histories: Histories, held: ItemItem) -> None:
        """All pairs, or those of them that are left."""
        if len(held.values) == self.config["entries"]:
            pairs = histories.once().matrix(unknown=False).tocsr().astype(np.float32)
            self.items, self.config["entries"] = item_item(pairs, held.values.dtype), pairs.nnz
            return
        held.values.fill_(1.0)

    def _drawn(self) -> None:
        self._as_drawn = self._sum()


def _counted(histories: Histories, held: ItemItem) -> Tensor:
    """(entries,) the walks of these histories at the entries that are held."""
    graph, roots = normal_graph(histories)
    ratio = roots[held.rows().numpy()] / roots[held.indices.long().numpy()]
    return torch.from_numpy(of_entries(graph, held) * ratio)


def _had(histories: Histories, held: ItemItem) -> Tensor:
    """(entries,) 1 where the user had the item, by the pairs that are held, else 0."""
    rows, items = histories.pairs(np.arange(histories.n_users))
    pairs = held.rows().numpy() * histories.n_items + held.indices.long().numpy()
    return torch.from_numpy(np.isin(pairs, rows * histories.n_items + items))


def _walks(graph: sp.csr_matrix, roots: NDArray[np.float32], k: int) -> sp.csr_matrix:
    """(items to score, items of the history), k entries a row."""
    whole = largest_of_gram(graph, k)
    rows = np.repeat(np.arange(whole.shape[0]), np.diff(whole.indptr))
    whole.data *= roots[rows] / roots[whole.indices]
    return whole
