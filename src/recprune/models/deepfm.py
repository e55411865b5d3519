"""DeepFM: a factorisation machine and a tower over one table of embeddings. Guo et al. 2017, "DeepFM"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recprune.models._fields import FieldModel
from recprune.models._tower import pairs_of, tower

__all__ = ["DeepFM"]


class DeepFM(FieldModel):
    """logit = bias + sum w_f + sum_{f<g} <e_f, e_g> + tower(e_1, ..., e_F) (Guo et al. 2017, equations 1 to 4).

    Vectors e_f and weights w_f of all fields are those of FieldModel. The tower is `hidden` layers of Linear, BatchNorm
    (if `norm`), ReLU and Dropout, then one unit. sizes: rows of each field, its row 0 included; 0 for a numeric field.

    forward: one column a field -> logits (batch,).
    """

    def __init__(
        self,
        fields: Sequence[str],
        sizes: Sequence[int],
        dim: int = 16,
        hidden: Sequence[int] = (128, 128),
        dropout: float = 0.3,
        norm: bool = True,
        multi: Sequence[str] = (),
    ) -> None:
        super().__init__(fields, sizes, dim, multi, linear=True)
        self.config |= {"dim": dim, "hidden": list(hidden), "dropout": dropout, "norm": norm}
        self.tower = tower(len(fields) * dim, hidden, dropout, norm)
        self.bias = nn.Parameter(torch.zeros(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Embeddings with standard deviation 0.01, no linear weights, the tower as torch initialises it."""
        self.reset_fields()
        nn.init.zeros_(self.bias)
        for layer in self.tower:
            if isinstance(layer, nn.Linear | nn.BatchNorm1d):
                layer.reset_parameters()

    def forward(self, *columns: Tensor) -> Tensor:
        found = self.found(columns)
        vectors = self.vectors(found)
        deep = self.tower(vectors.flatten(1)).squeeze(1)
        logits: Tensor = self.bias + self.weights(found) + pairs_of(vectors) + deep
        return logits
