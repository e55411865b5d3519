"""What the C kernels of M'M and of the largest entries do, in numpy and scipy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

__all__ = ["slow_gram_at", "slow_largest_of_gram", "slow_largest_of_rows"]

ROWS = 1024
"""Rows that are made at a time."""

Keys = Callable[[NDArray[Any], NDArray[Any], NDArray[np.float32]], NDArray[np.floating]]
"""What entries are measured by: of their rows, their columns and what they are."""


def slow_largest_of_gram(
    items: sp.csr_matrix, matrix: sp.csr_matrix, k: int, keys: Keys, own: bool, dtype: type[np.floating]
) -> sp.csr_matrix:
    """As `largest_of_gram`; items: the matrix the other way round."""
    blocks = [sp.csr_matrix((0, matrix.shape[1]), dtype=dtype)]
    for begin in range(0, items.shape[0], ROWS):
        both = (items[begin : begin + ROWS] @ matrix).tocsr()
        both.sort_indices()
        rows = np.repeat(np.arange(both.shape[0]), np.diff(both.indptr)) + begin
        stays = (both.data != 0) & (own | (rows != both.indices))
        rows, columns = rows[stays], both.indices[stays]
        starts = np.searchsorted(rows, np.arange(begin, begin + both.shape[0] + 1))
        block = sp.csr_matrix((keys(rows, columns, both.data[stays]), columns, starts), shape=both.shape)
        blocks.append(slow_largest_of_rows(block, k).astype(dtype))
    return sp.vstack(blocks, format="csr")


def slow_gram_at(
    items: sp.csr_matrix, matrix: sp.csr_matrix, starts: NDArray[np.integer], columns: NDArray[np.int32]
) -> NDArray[np.float32]:
    """As `gram_at`."""
    found, rows = np.zeros(len(columns), dtype=np.float32), np.repeat(np.arange(items.shape[0]), np.diff(starts))
    for begin in range(0, items.shape[0], ROWS):
        inside = slice(*starts[[begin, min(begin + ROWS, items.shape[0])]].tolist())
        block = (items[begin : begin + ROWS] @ matrix).tocsr()
        found[inside] = np.asarray(block[rows[inside] - begin, columns[inside]]).ravel()
    return found


def slow_largest_of_rows(matrix: sp.csr_matrix, k: int) -> sp.csr_matrix:
    """As `largest_of_rows`, some rows at a time."""
    blocks = [_largest(matrix[begin : begin + ROWS], k) for begin in range(0, matrix.shape[0], ROWS)]
    return sp.vstack([sp.csr_matrix((0, matrix.shape[1]), dtype=matrix.dtype), *blocks], format="csr")


def _largest(block: sp.csr_matrix, k: int) -> sp.csr_matrix:
    counts = np.diff(block.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((block.indices, -block.data, rows))
    within = np.arange(len(rows)) - np.repeat(block.indptr[:-1], counts)
    stays = np.sort(order[within < k])
    stays = stays[~np.isnan(block.data[stays])]
    starts = np.searchsorted(rows[stays], np.arange(len(counts) + 1))
    return sp.csr_matrix((block.data[stays], block.indices[stays], starts), shape=block.shape)
