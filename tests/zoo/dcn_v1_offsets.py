"""Cross layers with raw parameters over one table for all fields, flattened."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offsets", torch.tensor([0, 9, 16]))
        self.table = nn.Embedding(21, 4)
        self.weights = nn.ParameterList(nn.Parameter(0.3 * torch.randn(12)) for _ in range(2))
        self.biases = nn.ParameterList(nn.Parameter(torch.randn(12)) for _ in range(2))
        self.tower = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU())
        self.out = nn.Linear(18, 1)

    def forward(self, x: Tensor) -> Tensor:
        x0 = h = self.table(x + self.offsets).flatten(1)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            h = x0 * (h @ weight).unsqueeze(1) + bias + h
        return self.out(torch.cat([h, self.tower(x0)], 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(5, (3, 3)),)
