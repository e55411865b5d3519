"""Branches, loops and early ends in Python, by a number, by a flag and by what the batch holds."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item, self.depth, self.extra = nn.Embedding(12, 6), 3, None
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(self.depth))
        self.short, self.out = nn.Linear(6, 6), nn.Linear(6, 1)

    def forward(self, past: Tensor, dense: Tensor | None = None) -> Tensor:
        x = self.item(past)
        x = x.sum(1) if past.shape[1] > 1 else x[:, 0]
        if self.extra is not None and dense is not None:
            x = x + self.extra(dense)
        for number, layer in enumerate(self.layers):
            y = torch.tanh(layer(x))
            x = x + y if number % 2 else y
            if bool((x.abs() > 1e6).any()):
                break
        else:
            x = x * torch.sigmoid(self.short(x))
        return self.out(x).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(12, (3, 4)),)
