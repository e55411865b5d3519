"""SASRec over nn.MultiheadAttention."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item, self.position = nn.Embedding(14, 8), nn.Embedding(5, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 12), nn.Linear(12, 8)

    def forward(self, sequence: Tensor) -> Tensor:
        length = sequence.shape[1]
        x = self.item(sequence) + self.position(torch.arange(length))
        hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
        x = x + self.attention(x, x, x, attn_mask=hidden, need_weights=False)[0]
        x = x + self.down(torch.relu(self.up(self.norm(x))))
        return x[:, -1] @ self.item.weight.T


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(14, (3, 5)),)
