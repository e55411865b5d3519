"""DIN: attention of the candidate to the items of the past, with Dice."""

import torch
from torch import Tensor, nn


class Dice(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.alpha = nn.BatchNorm1d(width, affine=False), nn.Parameter(torch.rand(width))

    def forward(self, x: Tensor) -> Tensor:
        p = torch.sigmoid(self.norm(x))
        return p * x + (1 - p) * self.alpha * x


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item = nn.Embedding(12, 4, padding_idx=0)
        self.score = nn.Sequential(nn.Linear(16, 6), nn.Sigmoid(), nn.Linear(6, 1))
        self.tower = nn.Sequential(nn.Linear(8, 7), Dice(7), nn.Linear(7, 1))

    def forward(self, item: Tensor, past: Tensor) -> Tensor:
        e, h = self.item(item), self.item(past)
        q = e.unsqueeze(1).expand(-1, h.shape[1], -1)
        scores = self.score(torch.cat([q, h, q - h, q * h], -1)).squeeze(-1)
        scores = scores.masked_fill(past == 0, 0.0)
        interest = (scores.unsqueeze(1) @ h).squeeze(1)
        return self.tower(torch.cat([interest, e], 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(12, (3,)), torch.randint(12, (3, 5)))
