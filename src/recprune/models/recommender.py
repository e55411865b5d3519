"""What a recommender is: an nn.Module that says which dataset columns its forward takes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

__all__ = ["USER_COLUMNS", "Recommender", "ranks_items"]

USER_COLUMNS = frozenset({"user", "history", "sequence"})
"""Columns that are known of a user before any item is: its code (batch,), its history as 0/1 (batch, n_items), its
last items, oldest first, padded with 0 in front (batch, length)."""


@runtime_checkable
class Recommender(Protocol):
    """An nn.Module with `columns`: the dataset columns that `forward` takes, in order.

    Where all columns are of the user (USER_COLUMNS), forward gives the scores of all items, (batch, n_items); item 0
    is the unknown item and is never recommended. Otherwise it gives one logit a row, (batch,), and so it does where its
    attribute `of_rows` is True, whichever columns pruning has left it.
    """

    columns: tuple[str, ...]

    def forward(self, *columns: Tensor) -> Tensor: ...


def ranks_items(model: Recommender) -> bool:
    """True when forward scores all items of a user at once."""
    return not getattr(model, "of_rows", False) and set(model.columns) <= USER_COLUMNS
