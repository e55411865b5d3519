"""A batch by name, given as keyword arguments: tables by the names of features, a bag, a past with a mask, numbers."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleDict({name: nn.Embedding(n, d) for name, n, d in (("user", 9, 4), ("city", 7, 3))})
        self.tags, self.past = nn.EmbeddingBag(8, 3, mode="mean"), nn.Embedding(12, 4, padding_idx=0)
        self.tower = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, *, ids: dict[str, Tensor], past: Tensor, tags: Tensor, dense: Tensor) -> Tensor:
        there = (past != 0).unsqueeze(-1)
        pooled = (self.past(past) * there).sum(1) / there.sum(1).clamp(min=1)
        parts = [table(ids[name]) for name, table in self.tables.items()]
        return self.tower(torch.cat([*parts, pooled, self.tags(tags), dense], 1)).squeeze(1)


def make() -> tuple[nn.Module, dict[str, object]]:
    ids = {"user": torch.randint(9, (3,)), "city": torch.randint(7, (3,))}
    sequences = {"past": torch.randint(12, (3, 5)), "tags": torch.randint(8, (3, 4))}
    return Model(), {"ids": ids, **sequences, "dense": torch.rand(3, 2)}
