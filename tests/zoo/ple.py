"""Progressive layered extraction: experts of a task and shared ones, a gate a task, two levels."""

import torch
from torch import Tensor, nn


class Level(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.own = nn.ModuleList(nn.Linear(inputs, 6) for _ in range(2))
        self.shared = nn.ModuleList(nn.Linear(inputs, 6) for _ in range(2))
        self.gates = nn.ModuleList(nn.Linear(inputs, n) for n in (3, 3, 4))

    def forward(self, tasks: list[Tensor], common: Tensor) -> tuple[list[Tensor], Tensor]:
        own = [torch.relu(expert(x)) for expert, x in zip(self.own, tasks, strict=True)]
        shared = [torch.relu(expert(common)) for expert in self.shared]
        groups = [[own[0], *shared], [own[1], *shared], [*own, *shared]]
        shares = [torch.softmax(gate(x), 1) for gate, x in zip(self.gates, (*tasks, common), strict=True)]
        mixed = [torch.einsum("be,bed->bd", s, torch.stack(g, 1)) for s, g in zip(shares, groups, strict=True)]
        return mixed[:2], mixed[2]


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(9, 4), nn.Embedding(7, 4)
        self.first, self.second = Level(8), Level(6)
        self.heads = nn.ModuleList(nn.Linear(6, 1) for _ in range(2))

    def forward(self, user: Tensor, item: Tensor) -> list[Tensor]:
        x = torch.cat([self.user(user), self.item(item)], 1)
        tasks, common = self.first([x, x], x)
        tasks, _ = self.second(tasks, common)
        return [head(t).squeeze(1) for head, t in zip(self.heads, tasks, strict=True)]


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(9, (3,)), torch.randint(7, (3,)))
