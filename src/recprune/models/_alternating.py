"""Alternating least squares: users given items, items given users."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from recprune.data.dataset import Histories
from recprune.kernels.least_squares import least_squares

__all__ = ["alternate", "solved_rows"]

STEPS = 3
"""Steps that a sweep takes towards the solution of every row, from where the sweep before left it."""


def alternate(histories: Histories, items: Tensor, alpha: float, reg: float, sweeps: int) -> Tensor:
    """(n_items, dim) float32 item factors after so many sweeps over users and items, turned to their principal axes.

    items: the factors to begin with. alpha: the weight of what was not seen; reg: the regularisation, times how much a
    user or an item weighs. Rendle et al. 2022, section 3; a sweep goes three steps of conjugate gradients towards the
    solution of every row (Takács et al. 2011, section 3). Item 0 and items that nobody had are zero.
    """
    matrix = histories.matrix(unknown=False)
    other = matrix.T.tocsr()
    items, users = items.float(), torch.zeros(matrix.shape[0], items.shape[1])
    for _ in range(sweeps):
        users = solved_rows(matrix, items, alpha, reg, users, STEPS)
        items = solved_rows(other, users, alpha, reg, items, STEPS)
    axes = torch.linalg.eigh(items.double().T @ items.double()).eigenvectors.flip(1)
    turned: Tensor = items @ axes.float()
    return turned


def solved_rows(
    matrix: sp.csr_matrix, factors: Tensor, alpha: float, reg: float, begin: Tensor | None = None, steps: int = 16
) -> Tensor:
    """(rows, dim): of every row the w of (F_S'F_S + alpha F'F + reg (|S| + alpha n) I) w = the sum of F_S.

    matrix: (rows, n) sparse 0/1, S the columns of a row; factors F (n, dim). So many steps of conjugate gradients from
    `begin` on, zero where not said. Rows without columns are zero.
    """
    rest = alpha * (factors.T @ factors)
    ridge = torch.from_numpy(reg * (np.diff(matrix.indptr) + alpha * len(factors)))
    begin = factors.new_zeros(matrix.shape[0], factors.shape[1]) if begin is None else begin
    return least_squares(matrix.indptr, matrix.indices, factors, rest, ridge, begin, steps=steps)
