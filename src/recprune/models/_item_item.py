"""Item-item matrices that are sparse from the start: made from histories without ever being dense."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Histories
from recprune.encodings.item_item import ItemItem
from recprune.errors import DataError
from recprune.kernels.gram import gram_at
from recprune.kernels.largest import largest_of_rows
from recprune.models._closed import check_items
from recprune.models._ridge import ALIKE, Errors

__all__ = [
    "SparseItems",
    "blank",
    "check_solvable",
    "item_item",
    "largest_of_rows",
    "of_entries",
    "ridge_entries",
    "together",
    "without_own",
]

ROWS = 1024
"""Rows that are looked at together."""


class SparseItems(nn.Module):
    """A model whose scores are history @ B, B held by its entries alone; what B is, says the class below. Where it has
    an item_power, scores are times the `scale` of their items.

    forward: history (batch, n_items) 0/1 -> scores (batch, n_items). entries: of the matrix that there is.
    """

    scale: Tensor | None

    def __init__(self, n_items: int, entries: int | None, **config: Any) -> None:
        super().__init__()
        entries = n_items if entries is None else entries
        self.config: dict[str, Any] = {"n_items": n_items, **config, "entries": entries}
        self.columns: tuple[str, ...] = ("history",)
        self.items: nn.Module = blank(n_items, entries)
        self.register_buffer("scale", torch.ones(n_items) if config.get("item_power") else None)

    def reset_parameters(self) -> None:
        """All entries zero: there is nothing random in these models."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, history: Tensor) -> Tensor:
        scores: Tensor = self.items(history)
        return scores if self.scale is None else scores * self.scale


def blank(n_items: int, entries: int) -> ItemItem:
    """Room for so many entries, all zero, about as many in every row: what stands there before a solution does."""
    width = max(1, -(-entries // n_items))
    first = int(width < n_items)
    starts = (torch.arange(n_items + 1) * width).clamp(max=entries)
    return ItemItem(torch.zeros(entries), torch.arange(entries) % width + first, starts, n_items)


def item_item(matrix: sp.csr_matrix, dtype: torch.dtype = torch.float32) -> ItemItem:
    """The entries that a sparse (items to score, items of the history) matrix stores, zeros among them."""
    matrix.sort_indices()
    columns, starts = (torch.from_numpy(part.astype(np.int64)) for part in (matrix.indices, matrix.indptr))
    return ItemItem(torch.from_numpy(matrix.data).to(dtype), columns, starts, int(matrix.shape[1]))


def check_solvable(items: nn.Module, histories: Histories, n_items: int) -> None:
    """Raise DataError where the item matrix is packed, or the histories are of another number of items."""
    if not isinstance(items, ItemItem):
        raise DataError("the item matrix is packed; solve the model first and pack it then, or unpack it")
    check_items(histories, n_items)


def together(histories: Histories, errors: Errors = ALIKE) -> sp.csr_matrix:
    """(n_items, n_items) float32, the gram of `errors` only where some user had both: 8 bytes a pair, both ways."""
    matrix = errors.matrix(histories)
    found = (matrix.T.tocsr() @ matrix).tocsr()
    if errors.dropout:
        found.setdiag(found.diagonal() / (1 - errors.dropout))
        found.eliminate_zeros()
    return found


def without_own(block: sp.csr_matrix, begin: int) -> sp.csr_matrix:
    """A block of rows of a square matrix, from row `begin` on, without the entries of items with themselves."""
    both = block.tocoo()
    other = both.row + begin != both.col
    return sp.csr_matrix((both.data[other], (both.row[other], both.col[other])), shape=both.shape)


def of_entries(matrix: sp.csr_matrix, held: ItemItem) -> NDArray[np.float32]:
    """(entries,) what M'M of a (n_users, n_items) matrix M is at the entries that are held."""
    return gram_at(matrix, held.indptr.numpy(), held.indices.numpy())


def ridge_entries(gram: sp.csr_matrix, indices: Tensor, indptr: Tensor, reg: float) -> Tensor:
    """Values of the entries `indices[indptr[j]:indptr[j + 1]]` of every item j: (G[S, S] + reg I) b = G[S, j].

    As `_ridge.ridge_columns`, from a gram that is sparse: held beside it is what one item needs. An entry of an item
    with itself or with item 0 gets the value 0. Returns (len(indices),) float64 in the order of `indices`.
    """
    columns: NDArray[Any] = indices.numpy().astype(np.int64)
    values = torch.zeros(len(columns), dtype=torch.float64)
    for item, (begin, end) in enumerate(pairwise(indptr.tolist())):
        use = np.flatnonzero((columns[begin:end] != item) & (columns[begin:end] != 0))
        if len(use):
            values[begin + torch.from_numpy(use)] = _ridge(gram, item, columns[begin + use], reg)
    return values


def _ridge(gram: sp.csr_matrix, item: int, support: NDArray[np.int64], reg: float) -> Tensor:
    near = gram[support]
    left = torch.from_numpy(near[:, support].toarray().astype(np.float64))
    right = torch.from_numpy(near[:, [item]].toarray().astype(np.float64))
    left.diagonal().add_(reg)
    return torch.cholesky_solve(right, torch.linalg.cholesky(left)).squeeze(1)
