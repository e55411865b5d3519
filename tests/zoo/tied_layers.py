"""A layer whose weight is used twice."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user = nn.Embedding(9, 8)
        self.a, self.b, self.out = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 1)
        self.b.weight = self.a.weight

    def forward(self, user: Tensor) -> Tensor:
        return self.out(torch.relu(self.b(torch.relu(self.a(self.user(user)))))).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(9, (3,)),)
