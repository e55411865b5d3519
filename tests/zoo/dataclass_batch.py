"""A batch as one dataclass, with a dict inside and a number that is no tensor; the answer is a named tuple."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn


@dataclass
class Batch:
    ids: dict[str, Tensor]
    dense: Tensor
    temperature: float


class Answer(NamedTuple):
    score: Tensor
    hidden: Tensor


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(9, 4), nn.Embedding(8, 4)
        self.into, self.out = nn.Linear(7, 6), nn.Linear(6, 2)

    def forward(self, batch: Batch) -> Answer:
        both = self.user(batch.ids["user"]) * self.item(batch.ids["item"])
        hidden = torch.relu(self.into(torch.cat([both, batch.dense], 1)))
        found = self.out(hidden)
        return Answer(found[:, 0] / batch.temperature, found)


def make() -> tuple[nn.Module, tuple[Batch]]:
    ids = {"user": torch.randint(9, (3,)), "item": torch.randint(8, (3,))}
    return Model(), (Batch(ids, torch.rand(3, 3), 0.5),)
