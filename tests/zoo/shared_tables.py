"""One table for two fields, a multi-hot bag, a position table."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item, self.position = nn.Embedding(12, 6, padding_idx=0), nn.Embedding(4, 6)
        self.tags = nn.EmbeddingBag(9, 6, mode="mean")
        self.tower = nn.Sequential(nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, item: Tensor, last: Tensor, tags: Tensor, where: Tensor) -> Tensor:
        parts = [self.item(item), self.item(last), self.tags(tags), self.position(where)]
        return self.tower(torch.cat(parts, 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (*(torch.randint(12, (3,)) for _ in range(2)), torch.randint(9, (3, 3)), torch.randint(4, (3,)))
