"""The compressed interaction network of xDeepFM."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offsets", torch.tensor([0, 9, 16]))
        self.table = nn.Embedding(21, 4)
        self.first, self.second = nn.Conv1d(9, 5, 1), nn.Conv1d(15, 4, 1)
        self.out = nn.Linear(9, 1)

    def forward(self, x: Tensor) -> Tensor:
        x0 = h = self.table(x + self.offsets)
        found = []
        for layer in (self.first, self.second):
            h = (x0.unsqueeze(2) * h.unsqueeze(1)).flatten(1, 2)
            h = torch.relu(layer(h))
            found.append(h.sum(2))
        return self.out(torch.cat(found, 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(5, (3, 3)),)
