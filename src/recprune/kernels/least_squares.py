"""Least squares of many rows, each over a few factors: users from what they had, items from who had them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from recprune.dispatch import kernels
from recprune.errors import DataError
from recprune.kernels.slow_least_squares import slow_least_squares
from recprune.kernels.top import as_items, as_numbers

__all__ = ["least_squares"]

LANES = 16


def least_squares(
    starts: ArrayLike,
    columns: ArrayLike,
    factors: Tensor,
    rest: Tensor,
    ridge: Tensor,
    begin: Tensor,
    *,
    steps: int,
    weights: ArrayLike | Tensor | None = None,
) -> Tensor:
    """(rows, dim): every row w of (sum of h v v' + rest + ridge I) w = sum of h v over the entries of the row.

    starts: (rows + 1,), columns: (entries,); those of row r are columns[starts[r]:starts[r + 1]]. factors: (n, dim), v
    is one of its rows. rest: (dim, dim), symmetric. ridge: (rows,), above 0. weights: h, (entries,), 1 where not said.
    By so many steps of conjugate gradients, preconditioned by the diagonal, from `begin` (rows, dim) on; fewer where a
    row is solved but for rounding. In float64 where the factors are, else in float32. A row without entries is zero. In
    C, or else by torch, which adds up in another order. Raises DataError for parts that do not go together. Golub & Van
    Loan 2013, section 11.5; for factors Takács et al. 2011, section 3.
    """
    dim = factors.shape[1]
    at, places = as_items(starts), as_items(columns).astype(np.int32)
    dtype = torch.float64 if factors.dtype is torch.float64 else torch.float32
    parts = [part.detach().to(dtype) for part in (factors, rest, ridge, begin)]
    by = None
    if weights is not None:
        by = as_numbers(weights, "weights", (len(places),)).astype(parts[0].numpy().dtype, copy=False)
    native = kernels()
    if native is None:
        _check(at, places, parts)
        return slow_least_squares(at, places, by, parts, steps)
    more = -dim % LANES
    wide, both, one, out = (F.pad(parts[0], (0, more)), F.pad(parts[1], (0, more, 0, more)), parts[2], parts[3])
    out = F.pad(out, (0, more)).contiguous().clone()
    numbers = (part.contiguous().numpy() for part in (wide, both, one))
    native[0].least_squares(native[1], at, places, by, *numbers, steps, out.numpy())
    return out[:, :dim]


def _check(starts: NDArray[np.integer], columns: NDArray[np.integer], parts: list[Tensor]) -> None:
    factors, rest, ridge, begin = parts
    (n, dim), rows = factors.shape, len(begin)
    fine = rest.shape == (dim, dim) and ridge.shape == (rows,) and begin.shape == (rows, dim)
    fine = fine and len(starts) == rows + 1 and bool((np.diff(starts) >= 0).all())
    fine = fine and starts[0] >= 0 and starts[-1] <= len(columns)
    if not fine or (len(columns) and (columns.min() < 0 or columns.max() >= n)):
        raise DataError("least squares of what does not go together: starts, entries, factors, ridges and rows")
