"""What factorisations share: a table of users, one of items, and a score that is their product."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from recprune.data.dataset import Histories, Split
from recprune.encodings.faces import scores
from recprune.models._dots import dots
from recprune.models._start import Start, check_start, check_users, spectral_rows

__all__ = ["Factors"]


class Factors(Start):
    """score(u, i) = user_u · item_i, with a bias of items or without.

    forward: user (batch,) codes -> scores (batch, n_items) of all items. start: "spectral" begins from singular vectors
    of the graph of users and items, "random" from drawn numbers. options: others that `config` holds.
    """

    def __init__(self, n_users: int, n_items: int, dim: int, *, has_bias: bool, start: str, **options: Any) -> None:
        super().__init__()
        check_start(start)
        self.config = {"n_users": n_users, "n_items": n_items, "dim": dim, **options, "start": start}
        self.columns: tuple[str, ...] = ("user",)
        self.user = nn.Embedding(n_users, dim)
        self.item = nn.Embedding(n_items, dim)
        self.bias = nn.Parameter(torch.zeros(n_items)) if has_bias else None
        self.reset_parameters()

    @classmethod
    def of(cls, split: Split, **options: Any) -> Self:
        """The model for the users and items of a split."""
        return cls(split.train.n_users, split.train.n_items, **options)

    def reset_parameters(self) -> None:
        """Small factors (standard deviation 0.1 / sqrt(dim)), no bias; user 0 (unknown) begins without a taste."""
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.1 * table.weight.shape[1] ** -0.5)
        with torch.no_grad():
            self.user.weight[0] = 0.0
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self._drawn()

    @torch.no_grad()
    def start_(self, histories: Histories) -> None:
        """Begin from the singular vectors of the graph of these histories."""
        users, items = spectral_rows(histories, self.item.weight)
        check_users(histories, len(self.user.weight))
        self.user.weight.copy_(users)
        self.item.weight.copy_(items)

    def forward(self, user: Tensor) -> Tensor:
        found = scores(self.item, self.user(user))
        return found if self.bias is None else found + self.bias

    def query(self, user: Tensor) -> Tensor:
        """(batch, dim): what is looked for."""
        found: Tensor = self.user(user)
        return found

    def match(self, query: Tensor, items: Tensor) -> Tensor:
        """(batch, m) scores of some items: `items` (m,), the same for every query, or (batch, m), its own for each."""
        found = dots(query, self.item(items))
        return found if self.bias is None else found + self.bias[items]

    def pairs(self, user: Tensor, item: Tensor) -> Tensor:
        """One score a pair: user (batch,) and item (batch,) -> (batch,)."""
        return self.match(self.query(user), item.unsqueeze(1)).squeeze(1)
