"""LR: logistic regression, one weight a value of a field. Richardson et al. 2007, "Predicting Clicks"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recprune.models._fields import FieldModel

__all__ = ["LR"]


class LR(FieldModel):
    """logit = bias + sum_f w_f (Richardson et al. 2007, section 5), the weights w_f being those of FieldModel.

    The model to beat: what it reaches, fields say one by one. sizes: rows of each field, its row 0 included; 0 for a
    numeric field.

    forward: one column a field -> logits (batch,).
    """

    def __init__(
        self, fields: Sequence[str], sizes: Sequence[int], multi: Sequence[str] = (), missing: bool = False
    ) -> None:
        super().__init__(fields, sizes, 0, multi, missing, linear=True)
        self.bias = nn.Parameter(torch.zeros(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """No weights and no bias."""
        self.reset_fields()
        nn.init.zeros_(self.bias)

    def forward(self, *columns: Tensor) -> Tensor:
        return self.bias + self.weights(self.found(columns))
