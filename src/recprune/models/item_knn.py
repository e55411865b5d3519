"""Item-kNN: an item is scored by its nearest items. Deshpande & Karypis 2004, "Item-Based Top-N Recommendation"."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from recprune.data.dataset import Histories, Split
from recprune.encodings.item_item import ItemItem
from recprune.models._item_item import (
    ROWS,
    SparseItems,
    check_solvable,
    item_item,
    largest_of_rows,
    of_entries,
    without_own,
)

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
        self.items = item_item(_nearest(histories, int(self.config["k"]), shrink), self._dtype())
        self.config["entries"] = len(self.items.values)

    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype


def _nearest(histories: Histories, k: int, shrink: float) -> sp.csr_matrix:
    """(items to score, items of the history), k entries a row, made some rows at a time."""
    matrix = histories.matrix(unknown=False)
    items, blocks = matrix.T.tocsr(), []
    for begin in range(0, histories.n_items, ROWS):
        block = _similar((items[begin : begin + ROWS] @ matrix).tocsr(), items, begin, shrink)
        blocks.append(largest_of_rows(block, k))
    return sp.vstack(blocks, format="csr")


def _similar(together: sp.csr_matrix, items: sp.csr_matrix, begin: int, shrink: float) -> sp.csr_matrix:
    """Similarities of a block of rows, that of an item with itself left out."""
    users, both = np.diff(items.indptr).astype(np.float64), without_own(together, begin).tocoo()
    both.data = both.data / (np.sqrt(users[both.row + begin] * users[both.col]) + shrink)
    return both.tocsr()


def _of_entries(histories: Histories, held: ItemItem, shrink: float) -> Tensor:
    matrix = histories.matrix(unknown=False)
    users = np.diff(matrix.T.tocsr().indptr).astype(np.float64)
    norms = np.sqrt(users[held.rows().numpy()] * users[held.indices.long().numpy()])
    return torch.from_numpy(of_entries(matrix, held) / (norms + shrink)).to(held.values.dtype)
