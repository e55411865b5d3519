"""FiBiNET's products of pairs: one matrix a field, and squeeze-excitation in front of one half of them."""

from itertools import combinations

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, 4) for n in (9, 7, 5))
        self.squeeze = nn.Sequential(nn.Linear(3, 2, bias=False), nn.ReLU(), nn.Linear(2, 3, bias=False), nn.ReLU())
        self.left = nn.ModuleList(nn.Linear(4, 4, bias=False) for _ in range(3))
        self.pairs = nn.ParameterList(nn.Parameter(torch.randn(4, 4)) for _ in range(3))
        self.tower = nn.Sequential(nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, ids: Tensor) -> Tensor:
        e = torch.stack([table(ids[:, j]) for j, table in enumerate(self.tables)], 1)
        weighed = e * self.squeeze(e.mean(2)).unsqueeze(2)
        found = [self.left[i](weighed[:, i]) * weighed[:, j] for i, j in combinations(range(3), 2)]
        found += [(e[:, i] @ w) * e[:, j] for w, (i, j) in zip(self.pairs, combinations(range(3), 2), strict=True)]
        return self.tower(torch.cat(found, 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(5, (3, 3)),)
