"""FGCNN: convolutions over the fields make new fields. Liu et al. 2019, "Feature Generation by CNN"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.errors import DataError
from recprune.models._fields import FieldModel
from recprune.models._tower import pairs_of, reset_layers, tower

__all__ = ["FGCNN"]


class FGCNN(FieldModel):
    """New fields by convolutions, then inner products and a tower over old and new ones (Liu et al. 2019).

    The vectors of all fields (FieldModel) are an image (fields, dim). A block is a convolution of `filters` that see
    `height` neighbouring fields in one dim, tanh, and the larger of two neighbours (equations 4 to 6); one layer with
    tanh makes of what it gives `new` fields for each place that is left (equation 7). The last block's image goes on to
    the next. Old and new fields together meet in inner products, and in a tower, which are added up (section 3.4, with
    the deep classifier of DeepFM). Convolutions and classifier read one table. sizes: rows of each field, its row 0
    included; 0 for a numeric field.

    forward: one column a field -> logits (batch,).
    """

    def __init__(
        self,
        fields: Sequence[str],
        sizes: Sequence[int],
        dim: int = 16,
        filters: Sequence[int] = (8, 16),
        height: int = 3,
        new: int = 2,
        hidden: Sequence[int] = (128, 128),
        dropout: float = 0.3,
        norm: bool = True,
        multi: Sequence[str] = (),
        missing: bool = False,
    ) -> None:
        if not filters or min(*filters, height, new) < 1 or height % 2 == 0:
            raise DataError(
                f"FGCNN has blocks of filters, an odd height, new fields: not {list(filters)}, {height}, {new}"
            )
        super().__init__(fields, sizes, dim, multi, missing, linear=False)
        self.config |= {"dim": dim, "filters": list(filters), "height": height, "new": new}
        self.config |= {"hidden": list(hidden), "dropout": dropout, "norm": norm}
        places, made = len(fields), 0
        self.convolutions, self.recombinations = nn.ModuleList(), nn.ModuleList()
        for before, after in zip([1, *filters[:-1]], filters, strict=True):
            places = -(-places // 2)
            made += new * places
            self.convolutions.append(nn.Conv2d(before, after, (height, 1), padding=(height // 2, 0), bias=False))
            self.recombinations.append(nn.Linear(after * places * dim, new * places * dim))
        self.tower = tower((len(fields) + made) * dim, hidden, dropout, norm)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Vectors with standard deviation 0.01, the layers as torch initialises them."""
        self.reset_fields()
        reset_layers(self)

    def forward(self, *columns: Tensor) -> Tensor:
        vectors = self.vectors(self.found(columns))
        both = torch.cat([vectors, *self.generated(vectors)], 1)
        logits: Tensor = pairs_of(both) + self.tower(both.flatten(1)).squeeze(1)
        return logits

    def generated(self, vectors: Tensor) -> list[Tensor]:
        """(batch, fields, dim) -> the new fields of each block, (batch, new fields, dim)."""
        image, made = vectors.unsqueeze(1), []
        for convolution, recombination in zip(self.convolutions, self.recombinations, strict=True):
            image = _larger_of_two(torch.tanh(convolution(image)))
            made.append(torch.tanh(recombination(image.flatten(1))).view(len(vectors), -1, vectors.shape[2]))
        return made


def _larger_of_two(image: Tensor) -> Tensor:
    """(batch, filters, places, dim) -> half the places; the last of an odd number is alone (tanh is never below -1)."""
    even = F.pad(image, (0, 0, 0, image.shape[2] % 2), value=-1.0)
    return even.view(*image.shape[:2], -1, 2, image.shape[3]).amax(3)
