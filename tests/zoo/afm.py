"""Attentional factorisation machine: attention over the products of all pairs of fields."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offsets", torch.tensor([0, 9, 16]))
        self.table, self.term = nn.Embedding(21, 4), nn.Embedding(21, 1)
        self.attention, self.weight = nn.Linear(4, 6), nn.Linear(6, 1, bias=False)
        self.project, self.mean = nn.Linear(4, 1), nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.offsets
        e = self.table(x)
        first, second = torch.triu_indices(e.shape[1], e.shape[1], 1)
        pairs = e[:, first] * e[:, second]
        shares = torch.softmax(self.weight(torch.relu(self.attention(pairs))), 1)
        return (self.mean + self.term(x).sum(1) + self.project((shares * pairs).sum(1))).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(5, (3, 3)),)
