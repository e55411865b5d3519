"""Words that stand for groups of columns: the nearest ones, rows that are made of them, and sums of the rows of each.

By the compiled kernels where these are there, for rows of float32 on a processor; else by torch. Codes are (rows,
groups) uint8, a book (entries, columns); groups are the first column and the end of each.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recprune.dispatch import kernels

__all__ = ["Groups", "nearest", "owners", "rows_of", "summed"]

Groups: TypeAlias = list[tuple[int, int]]
MOST = 128
"""Groups of columns that the kernels know."""
STEP = 16_384
"""Rows that torch adds up at a time."""


def owners(groups: Groups) -> Tensor:
    """(columns,) the group of every column."""
    return torch.cat([torch.full((end - begin,), number) for number, (begin, end) in enumerate(groups)])


def nearest(rows: Tensor, book: Tensor, groups: Groups) -> Tensor:
    """The nearest word to every row in every group, the first of equal ones."""
    native = _native(rows, groups)
    if native is None:
        return torch.stack([_nearest(rows[:, begin:end], book[:, begin:end]) for begin, end in groups], 1)
    found = torch.empty(len(rows), len(groups), dtype=torch.uint8)
    native[0].nearest_words(native[1], _lent(rows), _lent(book), _edges(groups), found.numpy())
    return found


def rows_of(codes: Tensor, book: Tensor, groups: Groups) -> Tensor:
    """(rows, columns) the words that are coded, side by side."""
    native = _native(book, groups)
    if native is None:
        return book.gather(0, codes.index_select(1, owners(groups).to(codes.device)).long())
    found = torch.empty(len(codes), book.shape[1])
    native[0].rows_of_words(_lent(codes), _lent(book), _edges(groups), found.numpy())
    return found


def summed(rows: Tensor, weights: Tensor, codes: Tensor, groups: Groups, entries: int) -> tuple[Tensor, Tensor]:
    """(entries, columns) sums of the rows of each code, times their weights, and (entries, groups) of the weights."""
    sums, counts = rows.new_zeros(entries, rows.shape[1]), rows.new_zeros(entries, len(groups))
    native = _native(rows, groups)
    if native is not None and weights.dtype is torch.float32:
        lent = _lent(codes), _lent(rows), _lent(weights)
        native[0].sums_of_words(*lent, _edges(groups), sums.numpy(), counts.numpy())
        return sums, counts
    owner = owners(groups).to(rows.device)
    parts = (torch.split(part, STEP) for part in (rows, weights[:, None], codes.long()))
    for some, much, places in zip(*parts, strict=True):
        sums.scatter_add_(0, places.index_select(1, owner), some * much)
        counts.scatter_add_(0, places, much.expand(-1, len(groups)))
    return sums, counts


def _native(numbers: Tensor, groups: Groups) -> tuple[Any, int] | None:
    plain = type(numbers) is Tensor and numbers.is_cpu and numbers.dtype is torch.float32
    return kernels() if plain and len(groups) <= MOST else None


def _lent(part: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = part.detach().contiguous().numpy()
    return found


def _edges(groups: Groups) -> NDArray[np.int64]:
    return np.array([0, *(end for _, end in groups)], dtype=np.int64)


def _nearest(rows: Tensor, book: Tensor) -> Tensor:
    half = 0.5 * (book * book).sum(1)
    return torch.cat([_least(half - some @ book.T) for some in torch.split(rows, 4096)]).to(torch.uint8)


def _least(apart: Tensor) -> Tensor:
    """(rows,) the column of the least number of each row, the first of equal ones; by numpy where it can,
    which is five times as fast."""
    if apart.device.type != "cpu":
        return apart.argmin(1)
    return torch.from_numpy(apart.numpy().argmin(1))
