"""The largest entries of every row of a sparse matrix."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike, NDArray

from recprune.dispatch import kernels
from recprune.kernels.slow_gram import slow_largest_of_rows
from recprune.kernels.top import as_count

__all__ = ["largest_of_rows", "room", "written"]

Parts = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.floating]]
"""(rows + 1,) starts, columns and values."""


def largest_of_rows(matrix: sp.csr_matrix, k: int) -> sp.csr_matrix:
    """The k largest stored entries of every row, in the order they are stored; of equal ones the first columns. What is
    not a number is none of them. In float64 where the matrix is, else in float32; in C, or else by numpy.
    """
    k, native = as_count(k), kernels()
    if matrix.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(np.float32)
    if native is None:
        return slow_largest_of_rows(matrix, k)
    found = room(matrix.shape[0], int(np.minimum(np.diff(matrix.indptr), k).sum()), matrix.dtype)
    native[0].largest_of_rows(matrix.indptr, matrix.indices.astype(np.int32, copy=False), matrix.data, k, *found)
    return written(found, matrix.shape[1])


def room(rows: int, most: int, dtype: DTypeLike) -> Parts:
    """For so many rows and at most so many entries, which kernels write one row after the other."""
    return np.zeros(rows + 1, dtype=np.int64), np.empty(most, dtype=np.int32), np.empty(most, dtype=dtype)


def written(parts: Parts, columns: int) -> sp.csr_matrix:
    """What a kernel has written of so many columns, and no more memory than that."""
    starts, there = parts[0], int(parts[0][-1])
    places, values = (part if there == len(part) else part[:there].copy() for part in parts[1:])
    return sp.csr_matrix((values, places, starts), shape=(len(starts) - 1, columns))
