"""Ridge regression of every item on a few other items: what item-item models are refitted with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from recprune.data.dataset import Histories

__all__ = ["gram", "gram_rows", "ridge_columns"]

ROWS = 1024
"""Rows of a gram matrix that are made at a time."""


def gram_rows(histories: Histories) -> Callable[[int, int], Tensor]:
    """A function of (begin, end) -> (end - begin, n_items) float32: how many users had both items, of those rows.

    Row and column 0 (the unknown item) are zero.
    """
    matrix = histories.matrix(unknown=False)
    items = matrix.T.tocsr()
    return lambda begin, end: torch.from_numpy((items[begin:end] @ matrix).toarray())


def gram(histories: Histories, dtype: torch.dtype = torch.float64, out: Tensor | None = None) -> Tensor:
    """(n_items, n_items): how many users had both items, some rows at a time; into `out` where that is given."""
    n, rows = histories.n_items, gram_rows(histories)
    out = torch.empty(n, n, dtype=dtype) if out is None else out
    for begin in range(0, n, ROWS):
        out[begin : begin + ROWS] = rows(begin, min(begin + ROWS, n))
    return out


def ridge_columns(gram: Tensor, indices: Tensor, indptr: Tensor, reg: float) -> Tensor:
    """Values for the entries `indices[indptr[j]:indptr[j + 1]]` of every item j: (G[S, S] + reg I) b = G[S, j].

    An entry of an item with itself or with item 0 gets the value 0. Returns (len(indices),) in the order of `indices`,
    in the gram's dtype.
    """
    values = gram.new_zeros(len(indices))
    starts, n, flat = indptr.tolist(), len(gram), gram.reshape(-1)
    for item, (begin, end) in enumerate(pairwise(starts)):
        support = indices[begin:end].long()
        use = ((support != item) & (support != 0)).nonzero().flatten()
        if len(use):
            support = support[use]
            left = flat[support[:, None] * n + support]
            left.diagonal().add_(reg)
            right = gram[item, support].unsqueeze(1)
            values[begin + use] = torch.cholesky_solve(right, torch.linalg.cholesky(left)).squeeze(1)
    return values
