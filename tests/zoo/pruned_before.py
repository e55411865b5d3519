"""Pruned before by others: uneven widths, masks of torch's own pruning, one of them made permanent."""

import torch
from torch import Tensor, nn
from torch.nn.utils import prune


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, d) for n, d in ((9, 5), (7, 2), (8, 3)))
        self.first, self.second, self.out = nn.Linear(10, 7), nn.Linear(7, 5), nn.Linear(5, 1)
        prune.random_unstructured(self.first, "weight", 0.4)
        prune.ln_structured(self.second, "weight", 0.4, n=2, dim=0)
        prune.remove(self.second, "weight")

    def forward(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        x = torch.cat([table(ids) for table, ids in zip(self.tables, (a, b, c), strict=True)], 1)
        return self.out(torch.relu(self.second(torch.relu(self.first(x))))).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), tuple(torch.randint(7, (3,)) for _ in range(3))
