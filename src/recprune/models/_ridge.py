"""Ridge regression of every item on a few other items: what item-item models are refitted with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from recprune.data.dataset import Histories
from recprune.errors import DataError

__all__ = ["ALIKE", "Errors", "gram", "gram_rows", "ridge_columns"]

ROWS = 1024
"""Rows of a gram matrix that are made at a time."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Which errors count how much in what is made small.

    user_power: a user of n items counts n^-user_power times, on a scale on which interactions count 1 in the mean (0:
    every interaction alike; 1: every user alike). dropout: the share of a history that is taken away while the whole is
    to be found, in the mean over all ways to do so: X'X with its diagonal over 1 - dropout (Steck 2020, "Autoencoders
    that don't overfit towards the identity").
    """

    user_power: float = 0.0
    dropout: float = 0.0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Errors:
        """Those of a model that holds them in its `config`. Raises DataError for a share that is not 0 to below 1."""
        found = cls(*(float(config.get(name, 0.0)) for name in ("user_power", "dropout")))
        if not 0 <= found.dropout < 1:
            raise DataError(f"dropout is a share, 0 to below 1, not {found.dropout}", dropout=found.dropout)
        return found

    def matrix(self, histories: Histories) -> sp.csr_matrix:
        """(n_users, n_items) float32: 0/1 histories without the unknown item, times the roots of the users' weights."""
        matrix = histories.matrix(unknown=False)
        if self.user_power:
            counts = np.diff(matrix.indptr).astype(np.float64)
            weights = np.maximum(counts, 1) ** -self.user_power
            weights *= counts.sum() / max(float(weights @ counts), np.finfo(np.float64).tiny)
            matrix.data *= np.repeat(np.sqrt(weights), np.diff(matrix.indptr)).astype(np.float32)
        return matrix


ALIKE = Errors()


def gram_rows(histories: Histories, errors: Errors = ALIKE) -> Callable[[int, int], Tensor]:
    """A function of (begin, end) -> (end - begin, n_items) float32: of those rows, how many users had both items, or as
    much as they count.

    Row and column 0 (the unknown item) are zero.
    """
    matrix = errors.matrix(histories)
    items = matrix.T.tocsr()

    def rows(begin: int, end: int) -> Tensor:
        block = torch.from_numpy((items[begin:end] @ matrix).toarray())
        block.diagonal(begin).div_(1 - errors.dropout)
        return block

    return rows


def gram(
    histories: Histories, dtype: torch.dtype = torch.float64, out: Tensor | None = None, errors: Errors = ALIKE
) -> Tensor:
    """(n_items, n_items): the rows of `gram_rows`, some at a time; into `out` where that is given."""
    n, rows = histories.n_items, gram_rows(histories, errors)
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
