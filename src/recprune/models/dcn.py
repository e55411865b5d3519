"""DCN-V2: cross layers and a tower over one table of embeddings. Wang et al. 2021, "DCN V2"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.models._tower import categorical, tower

__all__ = ["DCN"]


class DCN(nn.Module):
    """Cross layers x_{l+1} = x_0 * (W_l x_l + b_l) + x_l (Wang et al. 2021, equation 1) beside a tower (section 3.3).

    x_0 are the embeddings of all fields side by side. With `rank` below their width W_l is a product U_l V_l of that
    inner width (equation 2); None takes it whole. What both give is joined and weighed by `output`. All fields share
    one table of sum(sizes) rows; field f begins at row `offsets[f]`, and its row 0 answers for ids that are unknown.

    forward: one (batch,) column of codes for each field -> logits (batch,).
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
    ) -> None:
        super().__init__()
        if len(fields) != len(sizes) or not fields:
            raise DataError(f"{len(fields)} fields and {len(sizes)} sizes; each field needs one", fields=tuple(fields))
        if cross < 1 or not hidden:
            raise DataError(f"a cross network has a layer and a tower one too, not {cross} and {list(hidden)}")
        self.config: dict[str, Any] = {
            "fields": list(fields),
            "sizes": list(sizes),
            "dim": dim,
            "cross": cross,
            "rank": rank,
            "hidden": list(hidden),
            "dropout": dropout,
            "norm": norm,
        }
        self.columns: tuple[str, ...] = tuple(fields)
        self.table = nn.Embedding(sum(sizes), dim)
        self.offsets: Tensor
        self.register_buffer("offsets", torch.tensor([0, *sizes[:-1]]).cumsum(0))
        width = len(fields) * dim
        self.cross = nn.ModuleList(_cross(width, rank) for _ in range(cross))
        self.tower = tower(width, hidden, dropout, norm, out=False)
        self.output = nn.Linear(width + hidden[-1], 1)
        self.reset_parameters()

    @classmethod
    def of(cls, split: Split, fields: Sequence[str] | None = None, **options: Any) -> Self:
        """The model for the categorical fields of a split, or those named. Raises DataError where there are none."""
        fields = categorical(split, fields)
        return cls(fields, [len(split.vocabularies[name]) for name in fields], **options)

    def reset_parameters(self) -> None:
        """Embeddings with standard deviation 0.01, the layers as torch initialises them."""
        nn.init.normal_(self.table.weight, std=0.01)
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.BatchNorm1d):
                layer.reset_parameters()

    def forward(self, *columns: Tensor) -> Tensor:
        first = self.table(torch.stack(columns, 1) + self.offsets).flatten(1)
        crossed = first
        for layer in self.cross:
            crossed = first * layer(crossed) + crossed
        logits: Tensor = self.output(torch.cat([crossed, self.tower(first)], 1)).squeeze(1)
        return logits


def _cross(width: int, rank: int | None) -> nn.Module:
    if rank is None:
        return nn.Linear(width, width)
    return nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width))
