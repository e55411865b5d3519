"""Ridge regression of every item on a few other items: what item-item models are refitted with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from recprune.data.dataset import Histories

__all__ = ["gram", "gram_rows", "ridge_columns", "weighed"]

ROWS = 1024
"""Rows of a gram matrix that are made at a time."""


def weighed(histories: Histories, user_power: float) -> sp.csr_matrix:
    """(n_users, n_items) float32 of which the gram is made: 0/1 histories without the unknown item, each user of n
    items times the root of n^-user_power, on a scale on which interactions weigh 1 in the mean."""
    matrix = histories.matrix(unknown=False)
    if user_power:
        counts = np.diff(matrix.indptr).astype(np.float64)
        weights = np.maximum(counts, 1) ** -user_power
        weights *= counts.sum() / max(float(weights @ counts), np.finfo(np.float64).tiny)
        matrix.data *= np.repeat(np.sqrt(weights), np.diff(matrix.indptr)).astype(np.float32)
    return matrix


def gram_rows(histories: Histories, user_power: float = 0.0) -> Callable[[int, int], Tensor]:
    """A function of (begin, end) -> (end - begin, n_items) float32: how many users had both items, of those rows, where
    a user counts as in `weighed`.

    Row and column 0 (the unknown item) are zero.
    """
    matrix = weighed(histories, user_power)
    items = matrix.T.tocsr()
    return lambda begin, end: torch.from_numpy((items[begin:end] @ matrix).toarray())


def gram(
    histories: Histories, dtype: torch.dtype = torch.float64, out: Tensor | None = None, user_power: float = 0.0
) -> Tensor:
    """(n_items, n_items): the rows of `gram_rows`, some at a time; into `out` where that is given."""
    n, rows = histories.n_items, gram_rows(histories, user_power)
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
