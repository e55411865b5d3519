"""What users had together: M'M of a sparse (users, items) matrix M, row by row, and never all of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from recprune.dispatch import kernels
from recprune.errors import DataError
from recprune.kernels.largest import room, written
from recprune.kernels.slow_gram import slow_gram_at, slow_largest_of_gram
from recprune.kernels.top import as_count, as_items, as_numbers

__all__ = ["gram_at", "largest_of_gram"]

WORK = 2**28
"""Products that are added up between two looks at what Python wants, about."""


def largest_of_gram(
    matrix: sp.csr_matrix,
    k: int,
    *,
    own: bool = False,
    by: ArrayLike | None = None,
    norms: ArrayLike | None = None,
    shrink: float = 0.0,
    dtype: type[np.floating] = np.float32,
) -> sp.csr_matrix:
    """(n, n): of every row of M'M the k entries that measure most, of equal ones the first columns; zeros are none.

    matrix: M, (users, n), float32. What is kept is what an entry measures: itself; times the `by` of its column, (n,);
    or, where there are `norms`, (n,), over sqrt(norm of its row * norm of its column) + shrink, in float64. own:
    whether an item is among its own. Sums are float32, from the lowest user to the highest; the result is of `dtype`.
    Memory: the matrix the other way round, what is found, and 28 bytes a column. In C, or else by scipy. Raises
    DataError for parts that do not go together. Gustavson 1978, "Two Fast Algorithms for Sparse Matrices", section 4.
    """
    k, n, items = as_count(k), matrix.shape[1], _turned(matrix)
    times = None if by is None else as_numbers(by, "by", (n,))
    over = None if norms is None else np.ascontiguousarray(norms, dtype=np.float64)
    if (over is not None and over.shape != (n,)) or not (over is None or times is None):
        raise DataError(f"norms are {n} numbers, one an item, and there is no `by` beside them")
    native = kernels()
    if native is None:
        keys = partial(_measured, by=times, norms=over, shrink=shrink)
        return slow_largest_of_gram(items, matrix, k, keys, own, dtype)
    work = _work(items, matrix)
    found, parts = room(n, int(np.minimum(work, min(k, n)).sum()), dtype), _parts(matrix)
    for begin, end in _blocks(work):
        some = (items.indptr[begin : end + 1], *_parts(items)[1:], *parts)
        starts = found[0][begin : end + 1]
        native[0].gram_largest(native[1], n, *some, begin, own, times, over, shrink, k, starts, *found[1:])
    return written(found, n)


def gram_at(matrix: sp.csr_matrix, starts: ArrayLike, columns: ArrayLike) -> NDArray[np.float32]:
    """(entries,): what M'M is at those places, row by row: those of row r are columns[starts[r]:starts[r + 1]].

    matrix: M, (users, n), float32. Sums are float32, from the lowest user to the highest. In C, or else by scipy.
    Raises DataError for places that are not of an (n, n) matrix.
    """
    at, places, n, items = as_items(starts), as_items(columns), matrix.shape[1], _turned(matrix)
    fine = len(at) == n + 1 and at[0] == 0 and at[-1] == len(places) and bool((np.diff(at) >= 0).all())
    if not fine or (len(places) and (places.min() < 0 or places.max() >= n)):
        raise DataError(f"these are no places of a ({n}, {n}) matrix")
    short, native = places.astype(np.int32), kernels()
    if native is None:
        return slow_gram_at(items, matrix, at, short)
    out, parts = np.zeros(len(short), dtype=np.float32), _parts(matrix)
    for begin, end in _blocks(_work(items, matrix)):
        some = (items.indptr[begin : end + 1], *_parts(items)[1:], *parts)
        native[0].gram_at(native[1], n, *some, at[begin : end + 1], short, out)
    return out


def _turned(matrix: sp.csr_matrix) -> sp.csr_matrix:
    if matrix.dtype != np.float32 or matrix.format != "csr":
        raise DataError(f"a csr matrix of float32 is needed, not {matrix.format} of {matrix.dtype}")
    return matrix.T.tocsr()


def _measured(
    rows: NDArray[Any], columns: NDArray[Any], values: NDArray[np.float32], by: Any, norms: Any, shrink: float
) -> NDArray[np.floating]:
    if norms is None:
        return values if by is None else values * by[columns]
    measured: NDArray[np.float64] = values / (np.sqrt(norms[rows] * norms[columns]) + shrink)
    return measured


def _parts(matrix: sp.csr_matrix) -> tuple[Any, Any, Any]:
    """Starts, columns, and values where they are not all 1."""
    values = None if (matrix.data == 1).all() else matrix.data
    return matrix.indptr, matrix.indices.astype(np.int32, copy=False), values


def _work(items: sp.csr_matrix, matrix: sp.csr_matrix) -> NDArray[np.int64]:
    """(n,) products that each row of M'M takes."""
    lengths = np.diff(matrix.indptr).astype(np.int64)
    sums = np.append(0, np.cumsum(lengths[items.indices]))
    work: NDArray[np.int64] = np.diff(sums[items.indptr])
    return work


def _blocks(work: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Rows of about `WORK` products together."""
    marks = np.searchsorted(np.cumsum(work), np.arange(1, int(work.sum()) // WORK + 1) * WORK)
    yield from pairwise(np.unique([0, *marks.tolist(), len(work)]).tolist())
