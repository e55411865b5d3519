"""What models of a sequence share: one table of items, read at the way in and searched at the way out."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from recprune.data.dataset import Histories, Split
from recprune.encodings.faces import rows_of, scores
from recprune.models._dots import dots
from recprune.models._start import Start, spectral_rows

__all__ = ["TiedSequence"]


class TiedSequence(Start):
    """score(sequence, j) = query(sequence) · v_j, v_j the row of j in the same table that the sequence was read with.

    A model adds `states(sequence)`, (batch, length, dim): what is looked for after each position, none of which sees a
    later one, so that training learns from all positions of a sequence in one pass; and `query(sequence)`, (batch,
    dim): the same after the last position alone, without computing more than that needs.

    forward: sequence (batch, length) codes, oldest first, 0 in front -> scores (batch, n_items). config["start"]:
    "spectral" begins with rows from what is had together, "random" with drawn ones.
    """

    item: nn.Embedding
    config: dict[str, Any]
    columns: tuple[str, ...] = ("sequence",)

    @classmethod
    def of(cls, split: Split, **options: Any) -> Self:
        """The model for the items of a split."""
        return cls(split.train.n_items, **options)

    @property
    def length(self) -> int:
        """How many items back it looks."""
        return int(self.config["length"])

    @torch.no_grad()
    def start_(self, histories: Histories) -> None:
        """Begin with the singular vectors of the graph of users and items as rows, as long as drawn ones are."""
        rows = spectral_rows(histories, self.item.weight)[1]
        rows[0] = 0.0
        self.item.weight.copy_(rows)
        self._even_rows()

    def steady(self) -> tuple[str, ...]:
        """The tables whose rows keep their lengths while the model is trained."""
        return ("item.weight",) if self.config.get("even") else ()

    @torch.no_grad()
    def _even_rows(self) -> None:
        """Rows of the length 1, that of padding aside, where the model has `even` ones."""
        if self.steady():
            self.item.weight.div_(self.item.weight.norm(dim=1, keepdim=True).clamp(min=1e-12))

    def states(self, sequence: Tensor) -> Tensor:
        raise NotImplementedError

    def query(self, sequence: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, sequence: Tensor) -> Tensor:
        return scores(self.item, self.query(sequence))

    def match(self, query: Tensor, items: Tensor) -> Tensor:
        """(batch, m) scores of some items: `items` (m,), the same for every query, or (batch, m), its own for each."""
        return dots(query, rows_of(self.item, items))

    def catalogue(self) -> Tensor:
        """(n_items, dim): what a query is multiplied with."""
        weight: Tensor = self.item.weight
        return weight
