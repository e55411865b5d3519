"""Two tasks over one bottom, one of them the product of the two as in ESMM."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(9, 5), nn.Embedding(7, 4)
        self.bottom = nn.Sequential(
            nn.Linear(9, 10), nn.BatchNorm1d(10), nn.LeakyReLU(0.1), nn.Linear(10, 6), nn.ReLU()
        )
        self.click = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1), nn.Sigmoid())
        self.buy = nn.Sequential(nn.Linear(6, 4), nn.ELU(), nn.Linear(4, 1), nn.Sigmoid())

    def forward(self, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
        x = self.bottom(torch.cat([self.user(user), self.item(item)], 1))
        click = self.click(x).squeeze(1)
        return click, click * self.buy(x).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(9, (3,)), torch.randint(7, (3,)))
