"""Caser: the last items of a user as an image, read by convolutions. Tang & Wang 2018, "Personalized Top-N ..."."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.data.dataset import Split
from recprune.encodings.faces import rows_of
from recprune.errors import DataError
from recprune.models._dots import dots

__all__ = ["Caser"]


class Caser(nn.Module):
    """A CNN over the last `length` items (Tang & Wang 2018, section 3), without the user's own embedding.

    The embedded items are an image (length, dim). Horizontal filters, `filters` of each height, see a few neighbouring
    items at all dims and keep their largest answer (equations 4 to 6); `vertical` filters weigh the positions
    (equation 7). Both are concatenated, one layer gives z (equation 9), and `output` scores all items (equation 10).
    Row 0 of the item table is the padding in front of short sequences and every unknown item.

    forward: sequence (batch, length) codes, oldest first -> scores (batch, n_items).
    """

    def __init__(
        self,
        n_items: int,
        length: int = 10,
        dim: int = 64,
        filters: int = 16,
        heights: Sequence[int] = (1, 2, 3, 4),
        vertical: int = 4,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if not heights or min(heights) < 1 or max(heights) > length:
            raise DataError(f"heights must be in 1..{length} (the length), not {tuple(heights)}", heights=heights)
        self.config: dict[str, Any] = {
            "n_items": n_items,
            "length": length,
            "dim": dim,
            "filters": filters,
            "heights": list(heights),
            "vertical": vertical,
            "dropout": dropout,
        }
        self.columns: tuple[str, ...] = ("sequence",)
        self.length = length
        self.item = nn.Embedding(n_items, dim, padding_idx=0)
        self.horizontal = nn.ModuleList(nn.Conv2d(1, filters, (height, dim)) for height in heights)
        self.vertical = nn.Conv2d(1, vertical, (length, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(filters * len(heights) + vertical * dim, dim)
        self.output = nn.Linear(dim, n_items)
        self.reset_parameters()

    @classmethod
    def of(cls, split: Split, **options: Any) -> Self:
        """The model for the items of a split."""
        return cls(split.train.n_items, **options)

    def reset_parameters(self) -> None:
        """Items with standard deviation 1 / sqrt(dim), row 0 zero; the rest as torch initialises it."""
        nn.init.normal_(self.item.weight, std=self.item.weight.shape[1] ** -0.5)
        with torch.no_grad():
            self.item.weight[0] = 0.0
        for layer in (*self.horizontal, self.vertical, self.fc, self.output):
            layer.reset_parameters()

    def query(self, sequence: Tensor) -> Tensor:
        """(batch, dim): what is looked for."""
        image = self.item(sequence).unsqueeze(1)
        answers = [_learning(filters, image) if self.training else filters(image) for filters in self.horizontal]
        largest = [F.relu(answer).amax((2, 3)) for answer in answers]
        weighed = self.vertical(image).flatten(1)
        return F.relu(self.fc(self.dropout(torch.cat([*largest, weighed], 1))))

    def forward(self, sequence: Tensor) -> Tensor:
        scores: Tensor = self.output(self.query(sequence))
        return scores

    def match(self, query: Tensor, items: Tensor) -> Tensor:
        """(batch, m) scores of some items: `items` (m,), the same for every query, or (batch, m), its own for each."""
        return dots(query, rows_of(self.output, items)) + self.output.bias[items]


def _learning(filters: Any, image: Tensor) -> Tensor:
    """What filters as wide as the image (batch, 1, length, dim) answer, with dims for channels: the gradients of many
    channels take half the time of those of a single one."""
    rows = F.conv1d(image.squeeze(1).transpose(1, 2), filters.weight.squeeze(1).transpose(1, 2), filters.bias)
    return rows.unsqueeze(3)
