"""Two towers, cosine of their ends with a learned temperature; the dims of time are a buffer of sines."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(9, 6), nn.Embedding(12, 6, padding_idx=0)
        angle = torch.arange(5).unsqueeze(1) / 10 ** (torch.arange(6) / 6)
        self.register_buffer("time", torch.where(torch.arange(6) % 2 == 0, angle.sin(), angle.cos()))
        self.left = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4))
        self.right = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
        self.temperature = nn.Parameter(torch.tensor(1.0))

    def forward(self, user: Tensor, past: Tensor, item: Tensor) -> Tensor:
        there = (past != 0).unsqueeze(2)
        pooled = ((self.item(past) + self.time) * there).sum(1) / there.sum(1).clamp(min=1)
        left = F.normalize(self.left(torch.cat([self.user(user), pooled], 1)), dim=1)
        right = F.normalize(self.right(self.item(item)), dim=1)
        return (left * right).sum(1) * self.temperature.exp()


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(9, (3,)), torch.randint(12, (3, 5)), torch.randint(12, (3,)))
