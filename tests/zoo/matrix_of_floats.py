"""Ids and numbers side by side in one matrix of floats; each column has tables of its own."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, 4) for n in (7, 9))
        self.terms = nn.ModuleList(nn.Embedding(n, 1) for n in (7, 9))
        self.dense, self.out = nn.Linear(10, 6), nn.Linear(6, 1, bias=False)
        self.weight = nn.Parameter(torch.rand(2, 1))

    def forward(self, x: Tensor) -> Tensor:
        ids = [x[:, j : j + 1].long() for j in range(2)]
        e = torch.cat([t(i) for t, i in zip(self.tables, ids, strict=True)], 1)
        first = torch.cat([t(i) for t, i in zip(self.terms, ids, strict=True)], -1).sum(-1) + x[:, 2:] @ self.weight
        pairs = 0.5 * (e.sum(1, keepdim=True) ** 2 - (e * e).sum(1, keepdim=True)).sum(2)
        deep = torch.relu(self.dense(torch.cat([torch.flatten(e, 1), x[:, 2:]], -1)))
        return torch.sigmoid(first + pairs + self.out(deep))


def make() -> tuple[nn.Module, dict[str, Tensor]]:
    return Model(), {"x": torch.cat([torch.randint(7, (3, 2)).float(), torch.rand(3, 2)], 1)}
