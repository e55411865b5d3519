"""SASRec with its own attention, tied to the item table by an expression."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.dim = heads, width // heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        rows, length, _ = x.shape
        y = self.before(x)
        q, k, v = (f(y).view(rows, length, self.heads, self.dim).transpose(1, 2) for f in (self.q, self.k, self.v))
        scores = (q @ k.transpose(2, 3) / self.dim**0.5).masked_fill(hidden, -1e9)
        mixed = torch.softmax(scores, -1) @ v
        x = x + self.o(mixed.transpose(1, 2).reshape(rows, length, self.heads * self.dim))
        return x + self.down(torch.relu(self.up(self.after(x))))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item, self.position = nn.Embedding(14, 8, padding_idx=0), nn.Embedding(5, 8)
        self.blocks = nn.ModuleList(Block(8, 2) for _ in range(2))
        self.norm = nn.LayerNorm(8)

    def forward(self, sequence: Tensor) -> Tensor:
        length = sequence.shape[1]
        x = self.item(sequence) + self.position(torch.arange(length))
        x = x * (sequence != 0).unsqueeze(-1)
        hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
        for block in self.blocks:
            x = block(x, hidden)
        return self.norm(x)[:, -1] @ self.item.weight.T


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(14, (3, 5)),)
