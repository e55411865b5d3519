"""Ridge regression on standardised columns, in closed form, with the diagonal of the inverse that pruning needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as sl
from numpy.typing import NDArray

from recprune.data.standardise import Standardised
from recprune.errors import DataError

__all__ = ["Ridge", "principal_components", "ridge", "ridge_inverse"]

Floats = NDArray[np.float64]
LARGEST = 20_000  # the smaller side of a matrix whose products are inverted; each takes 3.2 GB
MOST_COLUMNS = 5_000  # of a matrix whose columns leave one by one, p^2 a column
WIDTH = 1024  # columns that are dense at a time


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """The minimum of mean((y - Z w)^2) + alpha |w|^2, for each of k targets.

    coef (p, k); inverse_diagonal (p,): diagonal of (Z.T Z / n + alpha I)^-1.
    """

    coef: Floats
    inverse_diagonal: Floats


def ridge(z: Standardised, y: Floats, alpha: float) -> Ridge:
    """Fit y, (n, k) with mean 0, by the columns of z, through whichever of Z.T Z and Z Z.T is smaller.

    Raises DataError where both are larger than 20,000 × 20,000, and where alpha is too small for what float64 holds.
    """
    check_size(z)
    n, p = z.shape
    if p <= n:
        inverse = inverted(z.gram() / n, alpha)
        return Ridge(inverse @ (z.rmatmul(y) / n), np.diag(inverse).copy())
    inverse = inverted(z.row_gram() / n, alpha)
    # (Z.T Z / n + a I)^-1 = (I - Z.T (Z Z.T / n + a I)^-1 Z / n) / a   (Woodbury)
    diagonal = (1 - quadratic_forms(z, inverse) / n) / alpha
    # (A^-1)_jj >= 1 / A_jj for every positive definite A, and A_jj = 1 + a
    return Ridge(z.rmatmul(inverse @ y) / n, np.maximum(diagonal, 1 / (1 + alpha)))


def ridge_inverse(z: Standardised, alpha: float) -> Floats:
    """(Z.T Z / n + alpha I)^-1, (p, p). Raises DataError for more than 5,000 columns, and as `ridge` does."""
    n, p = z.shape
    if p > MOST_COLUMNS:
        raise DataError(
            f"{p:,} columns are too many to leave one by one: {MOST_COLUMNS:,} at most. Take stepwise=False first, so "
            "that fewer stay, and then stepwise=True",
            columns=p,
            limit=MOST_COLUMNS,
        )
    return inverted(z.gram() / n, alpha)


def principal_components(z: Standardised, most: int) -> Floats:
    """(n, k) scores of the rows on the k <= most directions of largest variance, a score's variance being theirs."""
    check_size(z)
    n, p = z.shape
    product = (z.gram() if p <= n else z.row_gram()) / n
    k = min(most, len(product))
    variances, vectors = sl.eigh(product, subset_by_index=(len(product) - k, len(product) - 1))
    keep = variances > 1e-9 * max(1.0, float(variances.max(initial=0.0)))
    variances, vectors = variances[keep], vectors[:, keep]
    return z @ vectors if p <= n else np.asarray(vectors * np.sqrt(n * variances))


def check_size(z: Standardised) -> None:
    """Raises DataError where neither side is small enough to be inverted."""
    if min(z.shape) > LARGEST:
        raise DataError(
            f"a matrix of {z.shape[0]:,} × {z.shape[1]:,} is too large: its smaller side may be {LARGEST:,} at most. "
            "Fit a sample of the rows, or take the rule mean_square_ratio, which looks at each column alone",
            shape=z.shape,
        )


def inverted(product: Floats, alpha: float) -> Floats:
    """(product + alpha I)^-1 of a symmetric matrix without negative eigenvalues; the product is overwritten."""
    product[np.diag_indices_from(product)] += alpha
    try:
        factor: Any = sl.cho_factor(product, lower=True, overwrite_a=True)
    except np.linalg.LinAlgError as error:
        raise DataError(
            f"alpha={alpha:g} is too small for these columns, some of which say the same as others; take 1e-6 or more",
            alpha=alpha,
        ) from error
    return np.asarray(sl.cho_solve(factor, np.eye(len(product)), overwrite_b=True))


def quadratic_forms(z: Standardised, matrix: Floats) -> Floats:
    """(p,) z_j.T matrix z_j for every column, `matrix` (n, n) symmetric."""
    wide = z.x.tocsc()
    around = wide.T @ matrix.sum(0)
    plain = np.empty(z.shape[1])
    for begin in range(0, len(plain), WIDTH):
        block = wide[:, begin : begin + WIDTH]
        plain[begin : begin + WIDTH] = np.asarray(block.multiply(matrix @ block).sum(0)).ravel()
    return np.asarray((plain - 2 * z.mean_ * around + z.mean_**2 * matrix.sum()) / z.scale_**2)
