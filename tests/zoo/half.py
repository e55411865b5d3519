"""Half precision: tables and a tower of bfloat16, the norm in full precision."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(9, 6, dtype=torch.bfloat16), nn.Embedding(8, 6, dtype=torch.bfloat16)
        self.into, self.norm = nn.Linear(6, 10, dtype=torch.bfloat16), nn.LayerNorm(10)
        self.out = nn.Linear(10, 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        hidden = torch.relu(self.into(self.user(user) * self.item(item)))
        return self.out(self.norm(hidden.float())).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(9, (3,)), torch.randint(8, (3,)))
