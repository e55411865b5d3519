"""What the C kernel of least squares does, in torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["slow_least_squares"]

HELD = 2**22
"""Numbers of factors that are held at a time, about."""


def slow_least_squares(
    starts: NDArray[np.integer],
    columns: NDArray[np.int32],
    weights: NDArray[np.floating] | None,
    parts: Sequence[Tensor],
    steps: int,
) -> Tensor:
    """As `least_squares`, some rows at a time; parts: factors, rest, ridge and begin."""
    factors, rest, ridge, begin = parts
    rows, out = len(begin), [begin[:0]]
    most = max(1, HELD // factors.shape[1])
    marks = np.searchsorted(starts, np.arange(starts[0], starts[-1] + 1, most), side="left")
    for first, last in pairwise([*np.unique(np.clip(marks, 0, rows)).tolist(), rows]):
        some = slice(int(starts[first]), int(starts[last]))
        owner = torch.from_numpy(np.repeat(np.arange(last - first), np.diff(starts[first : last + 1])))
        by = factors.new_ones(some.stop - some.start) if weights is None else torch.from_numpy(weights[some])
        near = factors[torch.from_numpy(columns[some]).long()]
        out.append(_solved(owner, by.unsqueeze(1), near, rest, ridge[first:last, None], begin[first:last], steps))
    return torch.cat(out)


def _solved(owner: Tensor, by: Tensor, near: Tensor, rest: Tensor, ridge: Tensor, begin: Tensor, steps: int) -> Tensor:
    zero = torch.zeros_like(begin)

    def times(w: Tensor) -> Tensor:
        weighed = near * (by * (near * w[owner]).sum(1, keepdim=True))
        return (w @ rest + ridge * w).index_add(0, owner, weighed)

    def size(of: Tensor) -> Tensor:
        return (of.square() / diagonal).sum(1, keepdim=True)

    wanted = zero.index_add(0, owner, near * by)
    diagonal = (rest.diagonal() + ridge).index_add(0, owner, near.square() * by)
    enough = size(wanted) * (1e-24 if near.dtype is torch.float64 else 1e-12)
    out = torch.where(enough > 0, begin, zero)
    left = torch.where(enough > 0, wanted - times(out), zero)
    way, there = left / diagonal, size(left)
    for _ in range(steps):
        goes = there > enough
        turned = times(way)
        length = torch.where(goes, there / (way * turned).sum(1, keepdim=True), 0)
        out, left = out + length * way, left - length * turned
        there, before = torch.where(goes, size(left), there), there
        way = torch.where(goes, left / diagonal + way * (there / before), 0)
    return out
