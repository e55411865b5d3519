"""DeepFM: a factorisation machine and a tower over one table of embeddings. Guo et al. 2017, "DeepFM"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.models._tower import categorical, tower

__all__ = ["DeepFM"]


class DeepFM(nn.Module):
    """logit = bias + sum w_f + sum_{f<g} <e_f, e_g> + tower(e_1, ..., e_F) (Guo et al. 2017, equations 1 to 4).

    All fields share one table and one linear table of sum(sizes) rows; field f begins at row `offsets[f]`, and its
    row 0 answers for ids that are unknown. The tower is `hidden` layers of Linear, BatchNorm (if `norm`), ReLU and
    Dropout, then one unit. sizes: rows of each field, its row 0 included.

    forward: one (batch,) column of codes for each field -> logits (batch,).
    """

    def __init__(
        self,
        fields: Sequence[str],
        sizes: Sequence[int],
        dim: int = 16,
        hidden: Sequence[int] = (128, 128),
        dropout: float = 0.3,
        norm: bool = True,
    ) -> None:
        super().__init__()
        if len(fields) != len(sizes) or not fields:
            raise DataError(f"{len(fields)} fields and {len(sizes)} sizes; each field needs one", fields=tuple(fields))
        self.config: dict[str, Any] = {
            "fields": list(fields),
            "sizes": list(sizes),
            "dim": dim,
            "hidden": list(hidden),
            "dropout": dropout,
            "norm": norm,
        }
        self.columns: tuple[str, ...] = tuple(fields)
        self.table = nn.Embedding(sum(sizes), dim)
        self.linear = nn.Embedding(sum(sizes), 1)
        self.offsets: Tensor
        self.register_buffer("offsets", torch.tensor([0, *sizes[:-1]]).cumsum(0))
        self.tower = tower(len(fields) * dim, hidden, dropout, norm)
        self.bias = nn.Parameter(torch.zeros(()))
        self.reset_parameters()

    @classmethod
    def of(cls, split: Split, fields: Sequence[str] | None = None, **options: Any) -> Self:
        """The model for the categorical fields of a split, or those named. Raises DataError where there are none."""
        fields = categorical(split, fields)
        return cls(fields, [len(split.vocabularies[name]) for name in fields], **options)

    def reset_parameters(self) -> None:
        """Embeddings with standard deviation 0.01, no linear weights, the tower as torch initialises it."""
        nn.init.normal_(self.table.weight, std=0.01)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.bias)
        for layer in self.tower:
            if isinstance(layer, nn.Linear | nn.BatchNorm1d):
                layer.reset_parameters()

    def forward(self, *columns: Tensor) -> Tensor:
        ids = torch.stack(columns, 1) + self.offsets
        fields = self.table(ids)
        pairs = 0.5 * (fields.sum(1).square() - fields.square().sum(1)).sum(1)
        first = self.linear(ids).sum((1, 2))
        deep = self.tower(fields.flatten(1)).squeeze(1)
        logits: Tensor = self.bias + first + pairs + deep
        return logits
