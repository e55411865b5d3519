"""MF: matrix factorisation, a user and an item meet in a dot product. Koren et al. 2009, "Matrix Factorization"."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.encodings.faces import scores

__all__ = ["MF"]


class MF(nn.Module):
    """score(u, i) = user_u · item_i + bias_i (Koren et al. 2009, equation 4, without the terms that rank nothing).

    bias: whether items have one. forward: user (batch,) codes -> scores (batch, n_items) of all items. Trained with
    the pairwise loss of BPR (Rendle et al. 2009, section 4.3), a full softmax, or a sampled one.
    """

    def __init__(self, n_users: int, n_items: int, dim: int = 64, bias: bool = True) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"n_users": n_users, "n_items": n_items, "dim": dim, "bias": bias}
        self.columns: tuple[str, ...] = ("user",)
        self.user = nn.Embedding(n_users, dim)
        self.item = nn.Embedding(n_items, dim)
        self.bias = nn.Parameter(torch.zeros(n_items)) if bias else None
        self.reset_parameters()

    @classmethod
    def of(cls, split: Split, dim: int = 64, bias: bool = True) -> Self:
        """The model for the users and items of a split."""
        return cls(split.train.n_users, split.train.n_items, dim, bias)

    def reset_parameters(self) -> None:
        """Small factors (standard deviation 0.1 / sqrt(dim)), no bias; user 0 (unknown) begins without a taste."""
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.1 * table.weight.shape[1] ** -0.5)
        with torch.no_grad():
            self.user.weight[0] = 0.0
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, user: Tensor) -> Tensor:
        found = scores(self.item, self.user(user))
        return found if self.bias is None else found + self.bias

    def query(self, user: Tensor) -> Tensor:
        """(batch, dim): what is looked for."""
        found: Tensor = self.user(user)
        return found

    def match(self, query: Tensor, items: Tensor) -> Tensor:
        """(batch, m) scores of some items: `items` (m,), the same for every query, or (batch, m), its own for each."""
        factors = self.item(items)
        dots: Tensor = query @ factors.T if items.ndim == 1 else (factors @ query.unsqueeze(2)).squeeze(2)
        return dots if self.bias is None else dots + self.bias[items]

    def pairs(self, user: Tensor, item: Tensor) -> Tensor:
        """One score a pair: user (batch,) and item (batch,) -> (batch,)."""
        return self.match(self.query(user), item.unsqueeze(1)).squeeze(1)
