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

    With `residual` the row of the last item, of which nothing is dropped, is added to what the layers say: the last
    click counts beside all that came before (as in Liu et al. 2018, "STAMP"). With `norm` a norm follows, and with
    `even` rows of the table have the length 1 and keep it while they learn: then no item is found more easily because
    it is had more often (Gupta et al. 2019, "NISER").

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
        residual: bool = False,
        norm: bool = False,
        even: bool = False,
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
            "residual": residual,
            "norm": norm,
            "even": even,
        }
        self.item = nn.Embedding(n_items, dim, padding_idx=0)
        self.before, self.after = nn.Dropout(dropout), nn.Dropout(dropout)
        self.gru = nn.GRU(dim, hidden, layers, bias=False, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.fc = nn.Linear(hidden, dim)
        self.norm = nn.LayerNorm(dim) if norm else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Items with standard deviation 1 / sqrt(dim), row 0 zero; the rest as torch initialises it."""
        nn.init.normal_(self.item.weight, std=self.item.weight.shape[1] ** -0.5)
        with torch.no_grad():
            self.item.weight[0] = 0.0
        self.gru.reset_parameters()
        self.fc.reset_parameters()
        if self.norm is not None:
            self.norm.reset_parameters()
        self._even_rows()
        self._drawn()

    def states(self, sequence: Tensor) -> Tensor:
        """(batch, length, dim): what is looked for after each position."""
        clicks = self.item(sequence)
        return self._wanted(self.gru(self.before(clicks))[0], clicks)

    def query(self, sequence: Tensor) -> Tensor:
        """(batch, dim): what is looked for after the last position."""
        clicks = self.item(sequence)
        return self._wanted(self.gru(self.before(clicks))[0][:, -1], clicks[:, -1])

    def _wanted(self, hidden: Tensor, clicks: Tensor) -> Tensor:
        """(..., dim): what is looked for, from what was read up to some clicks and from these."""
        found: Tensor = self.fc(self.after(hidden))
        if self.config["residual"]:
            found = found + clicks
        return found if self.norm is None else self.norm(found)
