"""SASRec with its own queries, keys and values, and an output layer of its own."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads, self.width = 4, 2
        self.item, self.position = nn.Embedding(14, 8, padding_idx=0), nn.Embedding(5, 8)
        self.q, self.k, self.v, self.o = (nn.Linear(8, 8) for _ in range(4))
        self.first, self.second, self.last = (nn.LayerNorm(8) for _ in range(3))
        self.up, self.down, self.out = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 14)

    def split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, self.width).transpose(1, 2)

    def forward(self, sequence: Tensor) -> Tensor:
        x = self.item(sequence) + self.position(torch.arange(sequence.shape[1]))
        y = self.first(x)
        q, k, v = self.split(self.q(y)), self.split(self.k(y)), self.split(self.v(y))
        scores = q @ k.transpose(2, 3) / self.width**0.5
        scores = scores.masked_fill(torch.ones(scores.shape[2:], dtype=torch.bool).triu(1), -1e9)
        x = x + self.o((torch.softmax(scores, -1) @ v).transpose(1, 2).flatten(2))
        x = x + self.down(torch.relu(self.up(self.second(x))))
        return self.out(self.last(x)[:, -1])


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(14, (3, 5)),)
