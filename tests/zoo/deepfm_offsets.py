"""DeepFM with one table for all fields; the ids come as one matrix."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offsets", torch.tensor([0, 9, 16]))
        self.table, self.term = nn.Embedding(21, 4), nn.Embedding(21, 1)
        self.tower = nn.Sequential(nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 8), nn.PReLU(8), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.offsets
        e = self.table(x)
        pairs = 0.5 * (e.sum(1).pow(2) - e.pow(2).sum(1)).sum(1, keepdim=True)
        return (self.term(x).sum(1) + pairs + self.tower(e.view(len(x), -1))).squeeze(-1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(5, (3, 3)),)
