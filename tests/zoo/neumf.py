"""NeuMF: a product of factors beside a tower."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user_gmf, self.item_gmf = nn.Embedding(9, 4), nn.Embedding(7, 4)
        self.user_mlp, self.item_mlp = nn.Embedding(9, 6), nn.Embedding(7, 6)
        self.tower = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU())
        self.out = nn.Linear(8, 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        gmf = self.user_gmf(user) * self.item_gmf(item)
        mlp = self.tower(torch.cat([self.user_mlp(user), self.item_mlp(item)], -1))
        return self.out(torch.cat([gmf, mlp], -1)).view(-1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(9, (3,)), torch.randint(7, (3,)))
