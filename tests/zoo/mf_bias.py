"""Matrix factorisation with biases of width 1."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(9, 6), nn.Embedding(7, 6)
        self.user_bias, self.item_bias = nn.Embedding(9, 1), nn.Embedding(7, 1)
        self.mean = nn.Parameter(torch.zeros(1))

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        dot = (self.user(user) * self.item(item)).sum(1, keepdim=True)
        return (dot + self.user_bias(user) + self.item_bias(item) + self.mean).squeeze()


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(9, (3,)), torch.randint(7, (3,)))
