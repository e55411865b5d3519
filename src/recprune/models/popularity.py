"""Popularity: what most users had, to everybody. The baseline that a recommender has to pass."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from recprune.data.dataset import Histories, Split
from recprune.models._closed import check_items

__all__ = ["Popularity"]


class Popularity(nn.Module):
    """score(u, j) = how many users had item j, the same for every u (Cremonesi et al. 2010, section 3.1, TopPop).

    forward: history (batch, n_items) 0/1 -> scores (batch, n_items). Who had an item twice counts once; item 0
    (unknown) has none. There is nothing to prune in one number an item but how it is stored.
    """

    def __init__(self, n_items: int) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"n_items": n_items}
        self.columns: tuple[str, ...] = ("history",)
        self.users = nn.Parameter(torch.zeros(n_items))

    @classmethod
    def of(cls, split: Split) -> Self:
        """The model for the items of a split."""
        return cls(split.train.n_items)

    def reset_parameters(self) -> None:
        """No user had anything."""
        nn.init.zeros_(self.users)

    def forward(self, history: Tensor) -> Tensor:
        return torch.zeros_like(history) + self.users

    @torch.no_grad()
    def refit_(self, histories: Histories, reg: float | None = None) -> None:
        """Count the users of every item. `reg` has nothing to hold back here: a count is what it is.

        Raises DataError where the histories are of another number of items.
        """
        check_items(histories, len(self.users))
        counts = np.bincount(histories.once().items, minlength=histories.n_items)
        self.users.copy_(torch.from_numpy(counts))
