"""Columns of mean 0 and variance 1, while the matrix stays sparse: the centring is never written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recprune.errors import DataError

__all__ = ["Standardised", "filled", "known_means", "standardise"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Standardised:
    """The matrix Z = (x - mean_) / scale_, (n, p), of which only the sparse x is held.

    x: CSR without double entries. mean_, scale_: (p,) float64; scale_ is the deviation (divided by n, not n - 1), and
    1 where a column is constant. constant: numbers of the columns that were constant when mean_ and scale_ were found.
    Products are float64.
    """

    x: sp.csr_matrix
    mean_: Floats
    scale_: Floats
    constant: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (int(self.x.shape[0]), int(self.x.shape[1]))

    def __matmul__(self, right: Floats) -> Floats:
        """Z @ right, (n,) or (n, k)."""
        right = np.asarray(right, dtype=np.float64)
        scaled = (right.T / self.scale_).T
        return np.asarray(self.x @ scaled - self.mean_ @ scaled)

    def rmatmul(self, left: Floats) -> Floats:
        """Z.T @ left, (p,) or (p, k)."""
        left = np.asarray(left, dtype=np.float64)
        raw = self.x.T @ left - np.multiply.outer(self.mean_, left.sum(0))
        return np.asarray((raw.T / self.scale_).T)

    def gram(self) -> Floats:
        """Z.T @ Z, (p, p), dense."""
        wide = self.x.astype(np.float64)
        sums = np.asarray(wide.sum(0)).ravel()
        cross = np.multiply.outer(self.mean_, sums)
        raw = (wide.T @ wide).toarray() - cross - cross.T
        raw += self.shape[0] * np.multiply.outer(self.mean_, self.mean_)
        raw /= self.scale_
        raw /= self.scale_[:, None]
        return np.asarray(raw)

    def row_gram(self) -> Floats:
        """Z @ Z.T, (n, n), dense."""
        scaled = sp.csr_matrix(self.x.astype(np.float64) @ sp.diags(1 / self.scale_))
        centre = self.mean_ / self.scale_
        along = scaled @ centre
        return np.asarray((scaled @ scaled.T).toarray() - along - along[:, None] + centre @ centre)

    def norms(self) -> Floats:
        """(p,) Euclidean norms of the columns of Z; sqrt(n), and 0 for a constant one, over its own rows."""
        return np.asarray(np.sqrt(square_sums(self.x, self.mean_)) / self.scale_)

    def rows(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """(len(rows), p) those rows of Z, dense."""
        return np.asarray((self.x[rows].toarray() - self.mean_) / self.scale_, dtype=np.float32)

    def take(self, columns: NDArray[np.integer]) -> Standardised:
        """Those columns only, in that order."""
        constant = np.flatnonzero(np.isin(columns, self.constant))
        return Standardised(sp.csr_matrix(self.x[:, columns]), self.mean_[columns], self.scale_[columns], constant)

    def applied(self, x: Any) -> Standardised:
        """Other rows with the same columns, standardised by the mean and deviation that are remembered here."""
        other = compressed(x)
        if other.shape[1] != self.shape[1]:
            raise DataError(
                f"expected rows of {self.shape[1]:,} columns, as mean and deviation were found for; got "
                f"{other.shape[1]:,}",
                expected=self.shape[1],
                columns=other.shape[1],
            )
        return Standardised(other, self.mean_, self.scale_, self.constant)


def standardise(x: Any) -> Standardised:
    """Find mean and deviation of the columns of x, (n, p), sparse or dense, with one row or more."""
    rows = compressed(x)
    n = rows.shape[0]
    if n == 0:
        raise DataError("mean and deviation need one row or more; the matrix has none", rows=0)
    mean = np.asarray(rows.sum(0, dtype=np.float64)).ravel() / n
    highest, lowest = (np.asarray(extreme.todense()).ravel() for extreme in (rows.max(0), rows.min(0)))
    flat = highest == lowest
    mean[flat] = highest[flat]
    scale = np.sqrt(square_sums(rows, mean) / n)
    flat |= ~(scale > 0)
    scale[flat] = 1.0
    return Standardised(rows, mean, scale, np.flatnonzero(flat))


def compressed(x: Any) -> sp.csr_matrix:
    """CSR, each entry once; x itself where it is so already."""
    out = sp.csr_matrix(x)
    if not out.has_canonical_format:
        out = out.copy()
        out.sum_duplicates()
    return out


def square_sums(x: sp.csr_matrix, mean: Floats) -> Floats:
    """(p,) sum over all rows of (x - mean)^2, in two passes, so that a large mean costs no digits."""
    n, p = x.shape
    there = np.bincount(x.indices, weights=(x.data - mean[x.indices]) ** 2, minlength=p)
    stored = np.bincount(x.indices, minlength=p)
    return np.asarray(there + (n - stored) * mean**2)


def known_means(x: sp.csr_matrix) -> Floats:
    """(p,) mean of each column over the numbers that are there, NaN being none; 0 where there is not one."""
    missing = np.isnan(x.data)
    counts = x.shape[0] - np.bincount(x.indices[missing], minlength=x.shape[1])
    sums = np.bincount(x.indices, weights=np.where(missing, 0, x.data), minlength=x.shape[1])
    return np.asarray(sums / np.maximum(counts, 1))


def filled(x: sp.csr_matrix, means: Floats) -> sp.csr_matrix:
    """x with the means in the place of NaN."""
    data = np.where(np.isnan(x.data), means[x.indices], x.data).astype(x.dtype)
    return sp.csr_matrix((data, x.indices, x.indptr), shape=x.shape)
