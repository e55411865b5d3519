"""Keyword arguments, one of them a dataclass, one a plain number; the answer is a dict."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Pair:
    user: Tensor
    item: Tensor


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.people, self.things = nn.Embedding(9, 4), nn.Embedding(8, 4)
        self.up, self.down = nn.Linear(4, 6), nn.Linear(6, 1)

    def forward(self, *, pair: Pair, times: float, extra: list[Tensor]) -> dict[str, Tensor]:
        both = self.people(pair.user) * self.things(pair.item) + extra[0].unsqueeze(1) * 0
        return {"score": self.down(torch.relu(self.up(both))).squeeze(1) * times}


def make() -> tuple[nn.Module, dict[str, object]]:
    pair = Pair(torch.randint(9, (3,)), torch.randint(8, (3,)))
    return Model(), {"pair": pair, "times": 2.0, "extra": [torch.rand(3)]}
