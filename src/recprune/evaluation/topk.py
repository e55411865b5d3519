"""The k highest scores of every row, exactly: equal scores by their number, so that every machine lists the same."""

from __future__ import annotations

import torch
from torch import Tensor

from recprune.errors import DataError
from recprune.kernels.best import best_of_scores

__all__ = ["top_k"]


def top_k(scores: Tensor, k: int) -> Tensor:
    """(batch, k) int64 positions of the k highest scores of (batch, n), highest first, equal ones by their number.

    A score of -inf is never listed; 0 stands where there are fewer than k. Raises DataError for NaN.
    """
    if k < 1:
        raise DataError(f"k is 1 or more, not {k}", k=k)
    found = best_of_scores(scores, k)
    if found is not None:
        _refuse(nan=found[1])
        return found[0]
    n = scores.shape[1]
    values, items = scores.topk(min(k + 1, n), dim=1)
    _refuse(nan=bool(values[:, :1].isnan().any()))  # NaN sorts above everything
    if n > k:
        tied = (values[:, k - 1] == values[:, k]) & (values[:, k] > -torch.inf)
        items = items[:, :k].contiguous()
        if bool(tied.any()):
            items[tied] = _lowest(scores[tied], values[tied, k - 1 : k], k)
    listed = _ordered(scores, items)
    return torch.nn.functional.pad(listed, (0, k - listed.shape[1]))


def _refuse(*, nan: bool) -> None:
    if nan:
        raise DataError("the model gives NaN as a score; train it again, with a smaller learning rate", scores="nan")


def _lowest(scores: Tensor, threshold: Tensor, k: int) -> Tensor:
    """k positions a row where the k-th score, the threshold, is shared with others outside the first k."""
    above, equal = scores > threshold, scores == threshold
    room = k - above.sum(1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(1, dtype=torch.int32) <= room))
    return chosen.nonzero()[:, 1].view(-1, k)


def _ordered(scores: Tensor, items: Tensor) -> Tensor:
    """The positions by falling score, then by number; 0 for what may not be listed."""
    items = items.sort(dim=1).values
    values = scores.gather(1, items)
    order = values.argsort(dim=1, descending=True, stable=True)
    return items.gather(1, order).masked_fill(values.gather(1, order) == -torch.inf, 0)
