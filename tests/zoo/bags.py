"""Bags of ids by sum, mean and largest, one of them with a padding row; nn.Bilinear between two of them."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tags = nn.EmbeddingBag(9, 6, mode="mean", padding_idx=0)
        self.words, self.shops = nn.EmbeddingBag(12, 5, mode="sum"), nn.EmbeddingBag(7, 4, mode="max")
        self.pair, self.out = nn.Bilinear(6, 5, 8), nn.Linear(12, 1)

    def forward(self, tags: Tensor, words: Tensor, shops: Tensor) -> Tensor:
        both = self.pair(self.tags(tags), self.words(words))
        return self.out(torch.cat([torch.relu(both), self.shops(shops)], 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), tuple(torch.randint(n, (3, 4)) for n in (9, 12, 7))
