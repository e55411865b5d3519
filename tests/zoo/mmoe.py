"""Two tasks over a mixture of experts with a gate a task."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(9, 4), nn.Embedding(7, 4)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(8, 6), nn.ReLU()) for _ in range(3))
        self.gates = nn.ModuleList(nn.Linear(8, 3) for _ in range(2))
        self.heads = nn.ModuleList(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1)) for _ in range(2))

    def forward(self, user: Tensor, item: Tensor) -> dict[str, Tensor]:
        x = torch.cat([self.user(user), self.item(item)], 1)
        found = torch.stack([expert(x) for expert in self.experts], 1)
        out = {}
        for name, gate, head in zip(("click", "buy"), self.gates, self.heads, strict=True):
            shares = torch.softmax(gate(x), 1).unsqueeze(1)
            out[name] = head(torch.bmm(shares, found).squeeze(1)).squeeze(1)
        return out


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(9, (3,)), torch.randint(7, (3,)))
