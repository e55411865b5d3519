"""NextItNet: residual blocks of dilated convolutions."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(width, width, 3, dilation=dilation), nn.Conv1d(width, width, 3)
        self.norm, self.pad = nn.LayerNorm(width), 2 * dilation

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(torch.nn.functional.pad(x.transpose(1, 2), (self.pad, 0)))
        h = torch.relu(self.norm(h.transpose(1, 2)))
        h = self.second(torch.nn.functional.pad(h.transpose(1, 2), (2, 0))).transpose(1, 2)
        return x + h


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item = nn.Embedding(12, 6)
        self.blocks = nn.Sequential(Block(6, 1), Block(6, 2))
        self.out = nn.Linear(6, 12)

    def forward(self, sequence: Tensor) -> Tensor:
        return self.out(self.blocks(self.item(sequence))[:, -1])


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(12, (3, 6)),)
