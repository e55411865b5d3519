"""DCN-V2: cross layers and a tower over one table of embeddings. Wang et al. 2021, "DCN V2"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recprune.errors import DataError
from recprune.models._fields import FieldModel
from recprune.models._tower import reset_layers, tower

__all__ = ["DCN"]


class DCN(FieldModel):
    """Cross layers x_{l+1} = x_0 * (W_l x_l + b_l) + x_l (Wang et al. 2021, equation 1) beside a tower (section 3.3).

    x_0 are the vectors of all fields (FieldModel) side by side. With `rank` below their width W_l is a product U_l V_l
    of that inner width (equation 2); None takes it whole. What both give is joined and weighed by `output`.

    forward: one column a field -> logits (batch,).
    """

    def __init__(
        self,
        fields: Sequence[str],
        sizes: Sequence[int],
        dim: int = 16,
        cross: int = 3,
        rank: int | None = None,
        hidden: Sequence[int] = (128, 128),
        dropout: float = 0.3,
        norm: bool = True,
        multi: Sequence[str] = (),
        missing: bool = False,
    ) -> None:
        if cross < 1 or not hidden:
            raise DataError(f"a cross network has a layer and a tower one too, not {cross} and {list(hidden)}")
        super().__init__(fields, sizes, dim, multi, missing, linear=False)
        self.config |= {
            "dim": dim,
            "cross": cross,
            "rank": rank,
            "hidden": list(hidden),
            "dropout": dropout,
            "norm": norm,
        }
        width = len(fields) * dim
        self.cross = nn.ModuleList(_cross(width, rank) for _ in range(cross))
        self.tower = tower(width, hidden, dropout, norm, out=False)
        self.output = nn.Linear(width + hidden[-1], 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Embeddings with standard deviation 0.01, the layers as torch initialises them."""
        self.reset_fields()
        reset_layers(self)

    def forward(self, *columns: Tensor) -> Tensor:
        first = self.vectors(self.found(columns)).flatten(1)
        crossed = first
        for layer in self.cross:
            crossed = first * layer(crossed) + crossed
        logits: Tensor = self.output(torch.cat([crossed, self.tower(first)], 1)).squeeze(1)
        return logits


def _cross(width: int, rank: int | None) -> nn.Module:
    if rank is None:
        return nn.Linear(width, width)
    return nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width))
