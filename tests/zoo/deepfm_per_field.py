"""DeepFM with a table and a width-1 term for each field."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        sizes = (9, 7, 5)
        self.tables = nn.ModuleList(nn.Embedding(n, 4) for n in sizes)
        self.terms = nn.ModuleList(nn.Embedding(n, 1) for n in sizes)
        self.tower = nn.Sequential(nn.Linear(12, 10), nn.BatchNorm1d(10), nn.ReLU(), nn.Dropout(0.1), nn.Linear(10, 1))

    def forward(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        stacked = torch.stack([t(x) for t, x in zip(self.tables, (a, b, c), strict=True)], 1)
        first = torch.cat([t(x) for t, x in zip(self.terms, (a, b, c), strict=True)], 1).sum(1)
        pairs = ((stacked.sum(1) ** 2 - (stacked**2).sum(1)) * 0.5).sum(1)
        return torch.sigmoid(first + pairs + self.tower(stacked.flatten(1)).squeeze(1))


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), tuple(torch.randint(5, (3,)) for _ in range(3))
