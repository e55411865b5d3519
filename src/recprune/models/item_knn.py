"""Item-kNN: an item is scored by its nearest items. Deshpande & Karypis 2004, "Item-Based Top-N Recommendation"."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from recprune.data.dataset import Histories, Split
from recprune.encodings.item_item import ItemItem
from recprune.kernels.gram import largest_of_gram
from recprune.models._item_item import SparseItems, check_solvable, item_item, of_entries

__all__ = ["ItemKnn"]


class ItemKnn(SparseItems):
    """score(u, j) = sum of s(i, j) over the items i of the history of u that are among the k nearest of j.

    s(i, j) = n_ij / (sqrt(n_i n_j) + shrink), n_ij users of both, n_i and n_j of each: the cosine (Deshpande & Karypis
    2004, section 4.1.1), held back where few users say it (the shrinkage of Ferrari Dacrema et al. 2019, section 3.1).
    The matrix is held by its entries alone, at most n_items * k of them, and never is dense.

    forward: history (batch, n_items) 0/1 -> scores (batch, n_items). entries: of the matrix that there is.
    """

    def __init__(self, n_items: int, k: int = 100, shrink: float = 10.0, entries: int | None = None) -> None:
        super().__init__(n_items, entries, k=k, shrink=shrink)

    @classmethod
    def of(cls, split: Split, k: int = 100, shrink: float = 10.0) -> Self:
        """The model for the items of a split."""
        return cls(split.train.n_items, k, shrink)

    @torch.no_grad()
    def refit_(self, histories: Histories, reg: float | None = None) -> None:
        """Find the neighbours of every item; where entries have left, those that stay get their similarity anew.

        reg: the shrinkage, in users (None: the model's own). Raises DataError where the matrix is packed or the
        histories are of another number of items.
        """
        n_items = int(self.config["n_items"])
        check_solvable(self.items, histories, n_items)
        self.config["shrink"] = shrink = float(self.config["shrink"]) if reg is None else reg
        held = self.items
        if isinstance(held, ItemItem) and len(held.values) < self.config["entries"]:
            held.values.copy_(_of_entries(histories, held, shrink))
            return
        dtype = next(self.parameters()).dtype
        self.items = item_item(_nearest(histories, int(self.config["k"]), shrink, dtype), dtype)
        self.config["entries"] = len(self.items.values)


def _nearest(histories: Histories, k: int, shrink: float, dtype: torch.dtype) -> sp.csr_matrix:
    """(items to score, items of the history), k entries a row."""
    matrix = histories.matrix(unknown=False)
    numbers = np.float32 if dtype is torch.float32 else np.float64
    return largest_of_gram(matrix, k, norms=_users(matrix), shrink=shrink, dtype=numbers)


def _users(matrix: sp.csr_matrix) -> NDArray[np.float64]:
    """(n_items,) users of each item."""
    return np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.float64)


def _of_entries(histories: Histories, held: ItemItem, shrink: float) -> Tensor:
    matrix = histories.matrix(unknown=False)
    users = _users(matrix)
    norms = np.sqrt(users[held.rows().numpy()] * users[held.indices.long().numpy()]) + shrink
    together = of_entries(matrix, held).astype(np.float64)
    out = np.divide(together, norms, out=np.zeros_like(together), where=norms > 0)
    return torch.from_numpy(out).to(held.values.dtype)
