"""Cross layers of full rank, of low rank, and a mixture of low-rank experts."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offsets", torch.tensor([0, 9, 16]))
        self.table = nn.Embedding(21, 4)
        self.full = nn.Linear(12, 12)
        self.down, self.up = nn.Linear(12, 5, bias=False), nn.Linear(5, 12)
        self.v, self.c, self.u = (nn.Parameter(0.3 * torch.randn(2, *s)) for s in ((12, 3), (3, 3), (3, 12)))
        self.gate, self.bias = nn.Linear(12, 2), nn.Parameter(torch.randn(12))
        self.tower = nn.Sequential(nn.Linear(12, 9), nn.BatchNorm1d(9), nn.ReLU())
        self.out = nn.Linear(21, 1)

    def forward(self, x: Tensor) -> Tensor:
        x0 = h = self.table(x + self.offsets).flatten(1)
        h = x0 * self.full(h) + h
        h = x0 * self.up(self.down(h)) + h
        gates = torch.softmax(self.gate(h), 1)
        experts = [torch.tanh(torch.tanh(h @ self.v[i]) @ self.c[i]) @ self.u[i] + self.bias for i in range(2)]
        h = (torch.stack([x0 * e for e in experts], 2) * gates.unsqueeze(1)).sum(2) + h
        return self.out(torch.cat([h, self.tower(x0)], 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(5, (3, 3)),)
