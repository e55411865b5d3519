"""NeuMF: a product of factors beside a tower over user and item. He et al. 2017, "Neural Collaborative Filtering"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.models._tower import reset_layers, tower

__all__ = ["NeuMF"]


class NeuMF(nn.Module):
    """logit = h . [p_u * q_i, tower(p'_u, q'_i)] (He et al. 2017, equation 12): the tower has tables of its own.

    `dim` is the width of the product, `deep` that of the tables of the tower, which has `hidden` layers of Linear,
    BatchNorm (if `norm`), ReLU and Dropout. Row 0 answers for unknown users and items.

    forward: user (batch,) and item (batch,) codes -> logits (batch,).
    """

    def __init__(
        self,
        n_users: int,
        n_items: int,
        dim: int = 16,
        deep: int = 32,
        hidden: Sequence[int] = (64, 32, 16),
        dropout: float = 0.0,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"n_users": n_users, "n_items": n_items, "dim": dim, "deep": deep}
        self.config |= {"hidden": list(hidden), "dropout": dropout, "norm": norm}
        self.columns: tuple[str, ...] = ("user", "item")
        self.user, self.item = nn.Embedding(n_users, dim), nn.Embedding(n_items, dim)
        self.user_deep, self.item_deep = nn.Embedding(n_users, deep), nn.Embedding(n_items, deep)
        self.tower = tower(2 * deep, hidden, dropout, norm, out=False)
        self.output = nn.Linear(dim + (hidden[-1] if hidden else 2 * deep), 1)
        self.reset_parameters()

    @classmethod
    def of(cls, split: Split, **options: Any) -> Self:
        """The model for the users and items of a split."""
        return cls(split.train.n_users, split.train.n_items, **options)

    def reset_parameters(self) -> None:
        """Factors with standard deviation 0.1, the layers as torch initialises them."""
        for table in (self.user, self.item, self.user_deep, self.item_deep):
            nn.init.normal_(table.weight, std=0.1)
        reset_layers(self)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        product = self.user(user) * self.item(item)
        deep = self.tower(torch.cat([self.user_deep(user), self.item_deep(item)], 1))
        logits: Tensor = self.output(torch.cat([product, deep], 1)).squeeze(1)
        return logits
