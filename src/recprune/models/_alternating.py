"""Alternating least squares: users given items, items given users."""

from __future__ import annotations

from itertools import pairwise

import scipy.sparse as sp
import torch
from torch import Tensor

from recprune.data.dataset import Histories

__all__ = ["alternate", "solved_rows"]

TOGETHER = 1024
"""Rows whose systems are solved in one batch."""


def alternate(histories: Histories, items: Tensor, alpha: float, reg: float, sweeps: int) -> Tensor:
    """(n_items, dim) item factors after so many sweeps over users and items, turned to their principal axes.

    items: the factors to begin with. alpha: the weight of what was not seen; reg: the regularisation, times how much a
    user or an item weighs. Rendle et al. 2022, section 3. Item 0 and items that nobody had are zero.
    """
    matrix = histories.matrix(unknown=False)
    other = matrix.T.tocsr()
    for _ in range(sweeps):
        users = solved_rows(matrix, items, alpha, reg)
        items = solved_rows(other, users, alpha, reg)
    axes: Tensor = torch.linalg.eigh(items.T @ items).eigenvectors.flip(1)
    return items @ axes


def solved_rows(matrix: sp.csr_matrix, factors: Tensor, alpha: float, reg: float) -> Tensor:
    """(rows, dim): of every row the w of (F_S'F_S + alpha F'F + reg (|S| + alpha n) I) w = the sum of F_S.

    matrix: (rows, n) sparse 0/1, S the columns of a row; factors F (n, dim). By Cholesky, 1,024 rows at a time. Rows
    without columns are zero.
    """
    rows, dim = matrix.shape[0], factors.shape[1]
    columns, starts = torch.from_numpy(matrix.indices).long(), matrix.indptr.tolist()
    rest, out = alpha * (factors.T @ factors), factors.new_zeros(rows, dim)
    for begin in range(0, rows, TOGETHER):
        part = list(pairwise(starts[begin : begin + TOGETHER + 1]))
        left, right = rest.repeat(len(part), 1, 1), factors.new_zeros(len(part), dim)
        for row, (first, last) in enumerate(part):
            found = factors[columns[first:last]]
            left[row].addmm_(found.T, found)
            torch.sum(found, 0, out=right[row])
            left[row].diagonal().add_(reg * (last - first + alpha * len(factors)))
        solved = torch.cholesky_solve(right.unsqueeze(2), torch.linalg.cholesky(left))
        out[begin : begin + len(part)] = solved.squeeze(2)
    return out
