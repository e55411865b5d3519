"""What every kernel takes and gives: contiguous numbers and items, checked, and the best items with their scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from recprune.errors import DataError

__all__ = ["Top", "as_count", "as_items", "as_numbers", "as_ragged"]

Ragged = tuple[ArrayLike, ArrayLike]


class Top(NamedTuple):
    """The best items, the best first, of equal scores the lower number; and their scores."""

    items: NDArray[np.int64]
    scores: NDArray[np.float32]


def as_numbers(values: ArrayLike | Tensor, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Contiguous float32 of a shape, in which -1 is any length. Raises DataError for another."""
    given = values.detach().cpu() if isinstance(values, Tensor) else values
    try:
        out = np.ascontiguousarray(given.float().numpy() if isinstance(given, Tensor) else given, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: {shape} numbers are needed; {error}") from error
    if np.ndim(given) != len(shape) or any(want not in (-1, came) for came, want in zip(out.shape, shape, strict=True)):
        raise DataError(f"{name}: {shape} numbers are needed, not {np.shape(given)}", shape=out.shape)
    return out


def as_items(values: ArrayLike | Tensor) -> NDArray[np.integer]:
    """Contiguous whole numbers, (any,) int32 or int64. Raises DataError for others."""
    given = np.asarray(values.detach().cpu().numpy() if isinstance(values, Tensor) else values)
    if given.ndim == 1 and given.dtype in (np.int32, np.int64):
        return np.ascontiguousarray(given)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu") or given.dtype == np.uint64:
        raise DataError(f"items are a list of whole numbers, not {given.shape} of {given.dtype}")
    return np.ascontiguousarray(given, dtype=np.int64)


def as_ragged(values: Ragged) -> tuple[NDArray[np.int64], NDArray[np.integer]]:
    """Starts and items: those of row u are items[starts[u]:starts[u + 1]]."""
    starts, items = values
    return as_items(starts).astype(np.int64, copy=False), as_items(items)


def as_count(k: int) -> int:
    """How many are asked for. Raises DataError for what is no whole number from 1 to 2^31 - 1."""
    if type(k) is int and 0 < k < 2**31:
        return k
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k < 2**31:
        raise DataError(f"k is a whole number, 1 or more, not {k!r}", k=k)
    return int(k)
