"""Convolutions in groups, depthwise with several filters a channel, and a transposed one."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item, self.into = nn.Embedding(12, 6), nn.Conv1d(6, 8, 1)
        self.grouped, self.point = nn.Conv1d(8, 12, 3, padding=1, groups=4), nn.Conv1d(12, 5, 1)
        self.each, self.up = nn.Conv1d(5, 10, 3, padding=1, groups=5), nn.ConvTranspose1d(10, 7, 2, stride=2)
        self.out = nn.Linear(7, 3)

    def forward(self, past: Tensor) -> Tensor:
        x = torch.relu(self.into(self.item(past).transpose(1, 2)))
        x = torch.relu(self.point(torch.relu(self.grouped(x))))
        return self.out(torch.relu(self.up(torch.relu(self.each(x)))).amax(2))


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(12, (3, 6)),)
