"""SLIM: a few items score an item, by ridge. Ning & Karypis 2011, "SLIM: Sparse Linear Methods for Top-N"."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.sparse as sp
import torch

from recprune.data.dataset import Histories, Split
from recprune.encodings.item_item import ItemItem
from recprune.models._closed import check_reg, popularity_scale
from recprune.models._item_item import (
    ROWS,
    SparseItems,
    check_solvable,
    item_item,
    largest_of_rows,
    ridge_entries,
    together,
)
from recprune.models._ridge import Errors

__all__ = ["Slim"]


class Slim(SparseItems):
    """scores = history @ B with at most k entries a column of B, none of them its own (Ning & Karypis 2011, section 4).

    For item j the support S are the k items that alone leave the least squared error of j, those with the largest
    G_ij^2 / (G_ii + reg), G = X'X (screening by the marginal fit: Fan & Lv 2008, section 2; feature selection of Ning
    & Karypis, section 5.1); its column solves (G[S, S] + reg I) b = G[S, j]. There is no l1 norm and no bound below:
    what is left out is decided by the support. No dense matrix is made: held are the entries, and, while solving, the
    pairs of items that some user had both of.

    forward: history (batch, n_items) 0/1 -> scores (batch, n_items). reg: ridge strength in interactions, that of the
    last solution. user_power, dropout, item_power: as in `ease`. entries: of the matrix that there is.
    """

    def __init__(
        self,
        n_items: int,
        k: int = 100,
        reg: float = 100.0,
        user_power: float = 0.0,
        dropout: float = 0.0,
        item_power: float = 0.0,
        entries: int | None = None,
    ) -> None:
        powers = {"user_power": user_power, "dropout": dropout, "item_power": item_power}
        super().__init__(n_items, entries, k=k, reg=reg, **powers)

    @classmethod
    def of(
        cls,
        split: Split,
        k: int = 100,
        reg: float = 100.0,
        user_power: float = 0.0,
        dropout: float = 0.0,
        item_power: float = 0.0,
    ) -> Self:
        """The model for the items of a split."""
        return cls(split.train.n_items, k, reg, user_power, dropout, item_power)

    @torch.no_grad()
    def refit_(self, histories: Histories, reg: float | None = None) -> None:
        """Choose supports and solve; where entries have left, what stays is solved again and no support is chosen.

        reg: None takes the model's own. Raises DataError where the matrix is packed, the histories are of another
        number of items, or reg is not above 0.
        """
        check_solvable(self.items, histories, int(self.config["n_items"]))
        reg = float(self.config["reg"]) if reg is None else reg
        check_reg(reg)
        if self.scale is not None:
            self.scale.copy_(popularity_scale(histories, float(self.config["item_power"])))
        self.config["reg"], gram, held = reg, together(histories, Errors.of(self.config)), self.items
        assert isinstance(held, ItemItem)
        if len(held.values) >= self.config["entries"]:
            held = item_item(_supports(gram, int(self.config["k"]), reg), held.values.dtype)
            self.items, self.config["entries"] = held, len(held.values)
        held.values.copy_(ridge_entries(gram, held.indices, held.indptr, reg))


def _supports(gram: sp.csr_matrix, k: int, reg: float) -> sp.csr_matrix:
    """(items to score, items of the history): of every row the k items that tell most of it alone."""
    own, blocks = gram.diagonal() + reg, []
    for begin in range(0, gram.shape[0], ROWS):
        block = gram[begin : begin + ROWS]
        rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr)) + begin
        block.data = np.where(rows == block.indices, 0.0, block.data**2 / own[block.indices])
        block.eliminate_zeros()
        blocks.append(largest_of_rows(block, k))
    return sp.vstack(blocks, format="csr")
