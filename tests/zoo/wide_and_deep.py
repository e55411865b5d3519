"""Wide and deep with dense features, residuals and a gate."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.city, self.hour = nn.Embedding(9, 4), nn.Embedding(7, 3)
        self.wide = nn.Linear(5, 1)
        self.into, self.again, self.gate = nn.Linear(12, 8), nn.Linear(8, 8), nn.Linear(12, 8)
        self.norm, self.out = nn.LayerNorm(8), nn.Linear(8, 1)

    def forward(self, dense: Tensor, city: Tensor, hour: Tensor) -> Tensor:
        x = torch.cat([dense, self.city(city), self.hour(hour)], 1)
        h = torch.nn.functional.gelu(self.into(x))
        h = self.norm(h + self.again(h)) * torch.sigmoid(self.gate(x))
        return (self.out(h) + self.wide(dense))[:, 0]


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.rand(3, 5), torch.randint(9, (3,)), torch.randint(7, (3,)))
