"""FISM: a user is the sum of what they had. Kabbur et al. 2013, "FISM: Factored Item Similarity Models"."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.data.dataset import Histories, Split
from recprune.encodings.faces import least, lengths, rows_of, scores, summed
from recprune.models._closed import counts_of
from recprune.models._precision import as_held
from recprune.models._start import Start, check_start, spectral_rows

__all__ = ["Fism"]


class Fism(Start):
    """score(u, j) = cos(sum of v_i over the history of u, v_j): one table of item factors, and no row for any user.

    FISM with both of its factor matrices the same and without biases (Kabbur et al. 2013, equation 4), so that whoever
    has a history gets a list, new users too. How long v_i is says how much an item tells of its users. Trained by a
    softmax over all items of cosine / `temperature`: from a part of each history the rest is to be found; meanwhile
    factors are a mixture, by the share `smooth`, with those of neighbours in the graph of users and items (LightGCN,
    He et al. 2020, section 3.1), and the more users had an item the less it says, n^-`damp`; both are folded into the
    factors in the end. start: "spectral" begins from singular vectors of that graph, "random" from drawn numbers.

    forward: history (batch, n_items) 0/1 -> scores (batch, n_items), cosine / temperature.
    """

    def __init__(
        self,
        n_items: int,
        dim: int = 64,
        smooth: float = 0.9,
        damp: float = 0.3,
        temperature: float = 0.06,
        start: str = "spectral",
    ) -> None:
        super().__init__()
        check_start(start)
        options = {"smooth": smooth, "damp": damp, "temperature": temperature, "start": start}
        self.config = {"n_items": n_items, "dim": dim, **options}
        self.columns: tuple[str, ...] = ("history",)
        self.item = nn.Embedding(n_items, dim)
        self.reset_parameters()

    @classmethod
    def of(cls, split: Split, **options: Any) -> Self:
        """The model for the items of a split."""
        return cls(split.train.n_items, **options)

    @property
    def temperature(self) -> float:
        """What cosines are divided by when it learns."""
        return float(self.config["temperature"])

    def reset_parameters(self) -> None:
        """Standard deviation 0.1; item 0 (unknown) says nothing."""
        nn.init.normal_(self.item.weight, std=0.1)
        with torch.no_grad():
            self.item.weight[0] = 0.0
        self._drawn()

    @torch.no_grad()
    def start_(self, histories: Histories) -> None:
        """Begin from the singular vectors of the graph of these histories, of every item times n^-damp."""
        weight: Tensor = self.item.weight
        rows = spectral_rows(histories, weight)[1]
        weight.copy_(rows * counts_of(histories)[:, None] ** -float(self.config["damp"]))

    def forward(self, history: Tensor) -> Tensor:
        query = _unit(summed(self.item, as_held(history, self.item))) / self.temperature
        return scores(self.item, query) / lengths(self.item)

    def of_items(self, items: Tensor, rows: Tensor, batch: int) -> Tensor:
        """(batch, dim) of length 1, from what each of `batch` users had: user `rows[n]` had `items[n]`."""
        found = rows_of(self.item, items)
        sums = found.new_zeros(batch, found.shape[1]).index_add(0, rows, found)
        return _unit(sums)

    def catalogue(self) -> Tensor:
        """(n_items, dim) factors of length 1."""
        weight: Tensor = self.item.weight
        return _unit(weight)

    def smoothing(self) -> dict[str, tuple[float, float]]:
        """Tables that are mixed with those of neighbours while the model is trained, by which share, and by which power
        of the counts rows are made shorter."""
        return {"item.weight": (float(self.config["smooth"]), float(self.config["damp"]))}


def _unit(rows: Tensor) -> Tensor:
    """The rows, of length 1 but for those that are none."""
    return F.normalize(rows, dim=1, eps=least(rows.dtype))
