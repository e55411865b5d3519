"""Wide & Deep: a linear part that remembers beside a tower that generalises. Cheng et al. 2016, "Wide & Deep"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recprune.models._fields import FieldModel
from recprune.models._tower import reset_layers, tower

__all__ = ["WideDeep"]


class WideDeep(FieldModel):
    """logit = bias + sum w_f + tower(e_1, ..., e_F), trained jointly (Cheng et al. 2016, equation 3).

    Vectors e_f and weights w_f of all fields are those of FieldModel. The wide part sees each field; a product of
    fields (equation 1) is seen where the log has it as a column. The tower is `hidden` layers of Linear, BatchNorm (if
    `norm`), ReLU and Dropout, then one unit. sizes: rows of each field, its row 0 included; 0 for a numeric field.

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
        missing: bool = False,
    ) -> None:
        super().__init__(fields, sizes, dim, multi, missing, linear=True)
        self.config |= {"dim": dim, "hidden": list(hidden), "dropout": dropout, "norm": norm}
        self.tower = tower(len(fields) * dim, hidden, dropout, norm)
        self.bias = nn.Parameter(torch.zeros(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Vectors with standard deviation 0.01, no weights and no bias, the tower as torch initialises it."""
        self.reset_fields()
        nn.init.zeros_(self.bias)
        reset_layers(self)

    def forward(self, *columns: Tensor) -> Tensor:
        found = self.found(columns)
        logits: Tensor = self.bias + self.weights(found) + self.deep(self.vectors(found))
        return logits

    def deep(self, vectors: Tensor) -> Tensor:
        """(batch,) what is made of the vectors (batch, fields, dim)."""
        made: Tensor = self.tower(vectors.flatten(1)).squeeze(1)
        return made
