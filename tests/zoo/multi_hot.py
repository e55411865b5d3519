"""Many values at once: a row of zeros and ones times a table, and a weighed bag."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.genre, self.word = nn.Embedding(6, 5), nn.EmbeddingBag(12, 4, mode="sum")
        self.tower = nn.Sequential(nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 1))

    def forward(self, genres: Tensor, words: Tensor, weights: Tensor) -> Tensor:
        pooled = genres @ self.genre.weight / genres.sum(1, keepdim=True).clamp(min=1)
        return self.tower(torch.cat([pooled, self.word(words, per_sample_weights=weights)], 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), ((torch.rand(3, 6) > 0.5).float(), torch.randint(12, (3, 4)), torch.rand(3, 4))
