"""Ridge regression of every item on a few other items: what item-item models are refitted with."""

from __future__ import annotations

import torch
from torch import Tensor

from recprune.data.dataset import Histories

__all__ = ["gram", "ridge_columns"]

_BATCH_BYTES = 256 * 2**20


def gram(histories: Histories, dtype: torch.dtype = torch.float64) -> Tensor:
    """(n_items, n_items): how many users had both items; row and column 0 (the unknown item) are zero."""
    matrix = histories.matrix()
    matrix.data[matrix.indices == 0] = 0.0
    counts = (matrix.T @ matrix).tocoo()
    out = torch.zeros(histories.n_items, histories.n_items, dtype=dtype)
    rows, columns = torch.from_numpy(counts.row).long(), torch.from_numpy(counts.col).long()
    out[rows, columns] = torch.from_numpy(counts.data).to(dtype)
    return out


def ridge_columns(gram: Tensor, indices: Tensor, indptr: Tensor, reg: float) -> Tensor:
    """Values for the entries `indices[indptr[j]:indptr[j + 1]]` of every item j: (G[S, S] + reg I) b = G[S, j].

    Items with supports of similar size are solved in one batch, padded with unit rows. An entry of an item with itself
    or with item 0 gets the value 0. Returns (len(indices),) in the order of `indices`, in the gram's dtype.
    """
    values = gram.new_zeros(len(indices))
    indices, indptr = indices.long(), indptr.long()
    sizes = indptr.diff()
    order = torch.argsort(sizes, descending=True, stable=True)
    begin, end = 0, int((sizes > 0).sum())
    while begin < end:
        width = int(sizes[order[begin]])
        batch = order[begin : min(end, begin + max(1, _BATCH_BYTES // (width * width * gram.element_size())))]
        slots = torch.arange(width)
        there = slots < sizes[batch, None]
        place = torch.where(there, indptr[batch, None] + slots, 0)
        support = indices[place]
        use = there & (support != batch[:, None]) & (support != 0)
        solution = _solve(gram, batch, support, use, reg)
        values[place[there]] = solution[there]
        begin += len(batch)
    return values


def _solve(gram: Tensor, items: Tensor, support: Tensor, use: Tensor, reg: float) -> Tensor:
    """(batch, width) solutions, 0 where `use` is false."""
    left = gram[support[:, :, None], support[:, None, :]] * (use[:, :, None] & use[:, None, :])
    left.diagonal(dim1=1, dim2=2).add_(torch.where(use, reg, 1.0).to(gram.dtype))
    right = gram[support, items[:, None]] * use
    return torch.cholesky_solve(right.unsqueeze(2), torch.linalg.cholesky(left)).squeeze(2)
