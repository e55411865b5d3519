"""Cross layers of full rank over a table for each field, stacked into a tower; one dense column."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, d) for n, d in ((9, 4), (7, 3), (5, 4)))
        self.cross = nn.ModuleList(nn.Linear(12, 12) for _ in range(3))
        self.tower = nn.Sequential(nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 8), nn.ReLU())
        self.out = nn.Linear(20, 1)

    def forward(self, price: Tensor, *ids: Tensor) -> Tensor:
        parts = [table(column) for table, column in zip(self.tables, ids, strict=True)]
        x0 = x = torch.cat([price.unsqueeze(1), *parts], 1)
        for layer in self.cross:
            x = x0 * layer(x) + x
        return torch.sigmoid(self.out(torch.cat([x, self.tower(x0)], 1)).squeeze(1))


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.rand(3), *(torch.randint(n, (3,)) for n in (9, 7, 5)))
