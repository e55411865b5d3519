"""GRU4Rec: a recurrent network reads a session item by item. Hidasi et al. 2016, "Session-based ..."."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recprune.errors import DataError
from recprune.models._start import check_start
from recprune.models._tied import TiedSequence

__all__ = ["GRU4Rec"]


class GRU4Rec(TiedSequence):
    """GRU layers over the last `length` items, and a layer behind them (Hidasi et al. 2016, section 3.1).

    The gates have no biases, as there (equations 1 to 4), so that padding in front leaves the state at zero, whatever
    its length. Items are read and found in one table (tied, as the authors' later code allows), which is the smaller
    model. Dropout falls on the embedded items and on what the layers say. Trained by a softmax over all items, or over
    some drawn for the batch; the ranking losses of the paper's section 3.2.2 are `bpr` here.

    start: "spectral" begins with the singular vectors of the graph of users and items as rows of the table, "random"
    with drawn ones.

    forward: sequence (batch, length) codes, oldest first, 0 in front -> scores (batch, n_items).
    """

    def __init__(
        self,
        n_items: int,
        length: int = 50,
        dim: int = 64,
        hidden: int = 128,
        layers: int = 1,
        dropout: float = 0.5,
        start: str = "spectral",
    ) -> None:
        super().__init__()
        if layers < 1 or hidden < 1:
            raise DataError(f"{layers} layers of {hidden} units are no network; both are 1 or more", layers=layers)
        self.config: dict[str, Any] = {
            "n_items": n_items,
            "length": length,
            "dim": dim,
            "hidden": hidden,
            "layers": layers,
            "dropout": dropout,
            "start": check_start(start),
        }
        self.item = nn.Embedding(n_items, dim, padding_idx=0)
        self.before, self.after = nn.Dropout(dropout), nn.Dropout(dropout)
        self.gru = nn.GRU(dim, hidden, layers, bias=False, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.fc = nn.Linear(hidden, dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Items with standard deviation 1 / sqrt(dim), row 0 zero; the rest as torch initialises it."""
        nn.init.normal_(self.item.weight, std=self.item.weight.shape[1] ** -0.5)
        with torch.no_grad():
            self.item.weight[0] = 0.0
        self.gru.reset_parameters()
        self.fc.reset_parameters()
        self._drawn()

    def states(self, sequence: Tensor) -> Tensor:
        """(batch, length, dim): what is looked for after each position."""
        found: Tensor = self.fc(self.after(self._read(sequence)))
        return found

    def query(self, sequence: Tensor) -> Tensor:
        """(batch, dim): what is looked for after the last position."""
        found: Tensor = self.fc(self.after(self._read(sequence)[:, -1]))
        return found

    def _read(self, sequence: Tensor) -> Tensor:
        hidden: Tensor = self.gru(self.before(self.item(sequence)))[0]
        return hidden
