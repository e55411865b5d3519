"""DLRM with plain look-ups, dots of every pair by a mask of the lower triangle."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, 6) for n in (9, 7, 5))
        self.bottom = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6))
        self.top = nn.Sequential(nn.Linear(6 + 6, 10), nn.ReLU(), nn.Linear(10, 1), nn.Sigmoid())

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        x = self.bottom(dense)
        e = torch.stack([x, *(table(ids[:, j]) for j, table in enumerate(self.tables))], 1)
        dots = e @ e.transpose(1, 2)
        row, column = torch.tril_indices(dots.shape[1], dots.shape[2], -1)
        return self.top(torch.cat([x, dots[:, row, column]], 1)).flatten()


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.rand(3, 4), torch.stack([torch.randint(n, (3,)) for n in (9, 7, 5)], 1))
