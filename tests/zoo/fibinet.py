"""Squeeze-excitation over fields and bilinear products."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offsets", torch.tensor([0, 9, 16]))
        self.table = nn.Embedding(21, 4)
        self.squeeze, self.excite = nn.Linear(3, 2, bias=False), nn.Linear(2, 3, bias=False)
        self.bilinear = nn.Linear(4, 4, bias=False)
        self.out = nn.Linear(3 * 4 + 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        e = self.table(x + self.offsets)
        weights = torch.relu(self.excite(torch.relu(self.squeeze(e.mean(-1)))))
        weighed = e * weights.unsqueeze(-1)
        mixed = (self.bilinear(e) * e).sum(1)
        return self.out(torch.cat([weighed.flatten(1), mixed], 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(5, (3, 3)),)
