"""SASRec: every item of a sequence looks back at those before it. Kang & McAuley 2018, "Self-Attentive ..."."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.errors import DataError
from recprune.models._start import check_start
from recprune.models._tied import TiedSequence

__all__ = ["SASRec"]


class SASRec(TiedSequence):
    """Blocks of causal self-attention over the last `length` items (Kang & McAuley 2018, section 3).

    Items and positions are added (equation 1); each of `layers` blocks is attention in `heads` parts (equations 2 and
    3) and a network of two layers at every position (equation 4), both as x + dropout(f(norm(x))) (section 3.3); a
    last norm, and the table of the items finds the next one (equation 6). The last item has the last position, however
    short the sequence is. As there, dropout also falls on the embedded
    sequence and on the shares of attention. Nobody looks at padding. Trained by a softmax over all items, or over some.

    With `even` the rows of the items have the length 1 and keep it while they learn: the last norm gives all that is
    looked for about one length, so that no item is found more easily because it is had more often (Gupta et al. 2019,
    "NISER").

    start: "spectral" begins with the singular vectors of the graph of users and items as rows of the table, "random"
    with drawn ones.

    forward: sequence (batch, length) codes, oldest first, 0 in front -> scores (batch, n_items).
    """

    def __init__(
        self,
        n_items: int,
        length: int = 50,
        dim: int = 64,
        layers: int = 1,
        heads: int = 2,
        dropout: float = 0.5,
        start: str = "spectral",
        even: bool = False,
    ) -> None:
        super().__init__()
        if layers < 1 or heads < 1 or dim % heads:
            raise DataError(f"dim {dim} is not {heads} heads of one size in {layers} layers", dim=dim, heads=heads)
        self.config: dict[str, Any] = {
            "n_items": n_items,
            "length": length,
            "dim": dim,
            "layers": layers,
            "heads": heads,
            "dropout": dropout,
            "start": check_start(start),
            "even": even,
        }
        self.item = nn.Embedding(n_items, dim, padding_idx=0)
        self.position = nn.Embedding(length, dim)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(dim, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Tables with standard deviation 0.02, row 0 of the items zero; the rest as torch initialises it."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.LayerNorm):
                module.reset_parameters()
        for table in (self.item, self.position):
            nn.init.normal_(table.weight, std=0.02)
        with torch.no_grad():
            self.item.weight[0] = 0.0
        self._even_rows()
        self._drawn()

    def states(self, sequence: Tensor) -> Tensor:
        """(batch, length, dim): what is looked for after each position."""
        x, seen = self._embedded(sequence)
        for block in self.blocks:
            x = block(x, x, seen)
        found: Tensor = self.norm(x)
        return found

    def query(self, sequence: Tensor) -> Tensor:
        """(batch, dim): what is looked for after the last position; the last block is asked for that one only."""
        x, seen = self._embedded(sequence)
        for block in self.blocks[:-1]:
            x = block(x, x, seen)
        found: Tensor = self.norm(self.blocks[-1](x[:, -1:], x, seen[:, :, -1:]).squeeze(1))
        return found

    def _embedded(self, sequence: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, length, dim), padding as zeros, and who sees whom (batch, 1, length, length): earlier items and
        itself."""
        length = sequence.shape[1]
        there = sequence != 0
        last = torch.arange(int(self.config["length"]) - length, int(self.config["length"]), device=sequence.device)
        x = self.item(sequence) + self.position(last)
        itself = torch.eye(length, dtype=torch.bool, device=sequence.device)
        earlier = torch.ones(length, length, dtype=torch.bool, device=sequence.device).tril()
        seen = (there[:, None, None, :] & earlier) | itself
        return self.dropout(x) * there.unsqueeze(-1), seen


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.head_dim, self.scale = heads, dim // heads, (dim // heads) ** -0.5
        self.before, self.after = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.up, self.down = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.shares, self.inside, self.dropout = (nn.Dropout(dropout) for _ in range(3))

    def forward(self, x: Tensor, among: Tensor, seen: Tensor) -> Tensor:
        """x (batch, m, dim), the positions that are asked for; among (batch, length, dim), those they look at."""
        y, around = self.before(x), self.before(among)
        mixed = F.scaled_dot_product_attention(
            self._parts(self.q(y)),
            self._parts(self.k(around)),
            self._parts(self.v(around)),
            attn_mask=seen,
            dropout_p=self.shares.p if self.training else 0.0,
            scale=self.scale,
        )
        x = x + self.dropout(self.o(mixed.transpose(1, 2).flatten(2)))
        inner = self.inside(F.relu(self.up(self.after(x))))
        found: Tensor = x + self.dropout(self.down(inner))
        return found

    def _parts(self, x: Tensor) -> Tensor:
        """(batch, heads, m, head_dim)."""
        return x.view(*x.shape[:2], self.heads, self.head_dim).transpose(1, 2)
