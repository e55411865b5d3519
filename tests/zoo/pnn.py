"""Product network: inner products of pairs, an outer product of the sum, and what was looked up."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, 4) for n in (9, 7, 5))
        self.linear, self.inner, self.bias = (
            nn.Linear(12, 8, bias=False),
            nn.Linear(3, 8, bias=False),
            nn.Bilinear(4, 4, 8),
        )
        self.norm, self.out = nn.BatchNorm1d(8), nn.Linear(8, 1)

    def forward(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        e = [table(x) for table, x in zip(self.tables, (a, b, c), strict=True)]
        products = [(e[i] * e[j]).sum(1, keepdim=True) for i in range(3) for j in range(i + 1, 3)]
        total = e[0] + e[1] + e[2]
        hidden = self.linear(torch.cat(e, 1)) + self.inner(torch.cat(products, 1)) + self.bias(total, total)
        return self.out(torch.relu(self.norm(hidden))).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), tuple(torch.randint(5, (3,)) for _ in range(3))
