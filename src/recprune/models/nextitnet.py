"""NextItNet: dilated causal convolutions over a sequence. Yuan et al. 2019, "A Simple Convolutional Generative ..."."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.errors import DataError
from recprune.models._start import check_start
from recprune.models._tied import TiedSequence

__all__ = ["NextItNet"]


class NextItNet(TiedSequence):
    """Residual blocks of causal convolutions over the last `length` items (Yuan et al. 2019, section 3).

    A block of dilation l is two convolutions of `kernel` positions, l and 2 l apart, each with a norm and a ReLU, and
    what came in is added (section 3.3, the second kind). Convolutions read padding as zeros, so that it says nothing.
    A last norm, and items are found in the table they are read with, which is the smaller model. Trained by a softmax
    over all items, or over some drawn for the batch (section 3.4).

    start: "spectral" begins with the singular vectors of the graph of users and items as rows of the table, "random"
    with drawn ones.

    forward: sequence (batch, length) codes, oldest first, 0 in front -> scores (batch, n_items).
    """

    def __init__(
        self,
        n_items: int,
        length: int = 50,
        dim: int = 64,
        filters: int = 64,
        kernel: int = 3,
        dilations: Sequence[int] = (1, 2, 4, 1, 2, 4),
        dropout: float = 0.2,
        start: str = "spectral",
    ) -> None:
        super().__init__()
        if kernel < 1 or not dilations or min(dilations) < 1:
            raise DataError(
                f"no block of kernel {kernel} and dilations {tuple(dilations)}: all are 1 or more, and one "
                "dilation at least",
                kernel=kernel,
                dilations=tuple(dilations),
            )
        self.config: dict[str, Any] = {
            "n_items": n_items,
            "length": length,
            "dim": dim,
            "filters": filters,
            "kernel": kernel,
            "dilations": list(dilations),
            "dropout": dropout,
            "start": check_start(start),
        }
        self.item = nn.Embedding(n_items, dim, padding_idx=0)
        self.before, self.after = nn.Dropout(dropout), nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(dim, filters, kernel, dilation) for dilation in dilations)
        self.norm = nn.LayerNorm(dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Items with standard deviation 1 / sqrt(dim), row 0 zero; the rest as torch initialises it."""
        nn.init.normal_(self.item.weight, std=self.item.weight.shape[1] ** -0.5)
        with torch.no_grad():
            self.item.weight[0] = 0.0
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.LayerNorm):
                module.reset_parameters()
        self._drawn()

    def states(self, sequence: Tensor) -> Tensor:
        """(batch, length, dim): what is looked for after each position."""
        return self._last(sequence, sequence.shape[1])

    def query(self, sequence: Tensor) -> Tensor:
        """(batch, dim): what is looked for after the last position, from the positions that it depends on."""
        return self._last(sequence, 1).squeeze(1)

    def _last(self, sequence: Tensor, want: int) -> Tensor:
        """(batch, want, dim): what is looked for after the last positions."""
        blocks: Any = self.blocks
        later = sum(block.reach for block in blocks)
        length = sequence.shape[1]
        sequence = sequence[:, -min(length, want + later) :]
        there = (sequence != 0).unsqueeze(1)
        x = self.before(self.item(sequence)).transpose(1, 2)
        for block in blocks:
            later -= block.reach
            x = block(x, there, min(length, want + later))
        found: Tensor = self.norm(self.after(x.transpose(1, 2)))
        return found


class _Block(nn.Module):
    def __init__(self, dim: int, filters: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(dim, filters, kernel, dilation=dilation)
        self.second = nn.Conv1d(filters, dim, kernel, dilation=2 * dilation)
        self.inner, self.outer = nn.LayerNorm(filters), nn.LayerNorm(dim)
        self.back = (kernel - 1) * dilation
        self.reach = 3 * self.back

    def forward(self, x: Tensor, there: Tensor, want: int) -> Tensor:
        """x (batch, dim, m) -> (batch, dim, want): the last positions; there (batch, 1, m or more): no padding."""
        between = min(x.shape[2], want + 2 * self.back)
        h = _causal(self.first, x * there[..., -x.shape[2] :], self.back, between)
        h = F.relu(self.inner(h.transpose(1, 2))).transpose(1, 2)
        h = _causal(self.second, h * there[..., -between:], 2 * self.back, want)
        return x[..., -want:] + F.relu(self.outer(h.transpose(1, 2))).transpose(1, 2)


def _causal(convolution: nn.Conv1d, x: Tensor, back: int, want: int) -> Tensor:
    """The last `want` answers of a convolution that sees `back` positions before its own, or zeros."""
    need, have = want + back, x.shape[2]
    found: Tensor = convolution(F.pad(x, (need - have, 0)) if have < need else x[..., -need:])
    return found
