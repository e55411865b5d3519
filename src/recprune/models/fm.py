"""FM: a factorisation machine. Rendle 2010, "Factorization Machines"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recprune.models._fields import FieldModel
from recprune.models._tower import pairs_of

__all__ = ["FM"]


class FM(FieldModel):
    """logit = bias + sum w_f + sum_{f<g} <e_f, e_g> (Rendle 2010, equation 1, computed as in lemma 3.1).

    Vectors e_f and weights w_f of all fields are those of FieldModel; a multi-valued field counts as the mean of its
    values, which do not meet each other. sizes: rows of each field, its row 0 included; 0 for a numeric field.

    forward: one column a field -> logits (batch,).
    """

    def __init__(
        self,
        fields: Sequence[str],
        sizes: Sequence[int],
        dim: int = 16,
        multi: Sequence[str] = (),
        missing: bool = False,
    ) -> None:
        super().__init__(fields, sizes, dim, multi, missing, linear=True)
        self.config |= {"dim": dim}
        self.bias = nn.Parameter(torch.zeros(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Vectors with standard deviation 0.01, no weights and no bias."""
        self.reset_fields()
        nn.init.zeros_(self.bias)

    def forward(self, *columns: Tensor) -> Tensor:
        found = self.found(columns)
        return self.bias + self.weights(found) + pairs_of(self.vectors(found))
