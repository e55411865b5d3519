"""Neural factorisation machine: the second-order term dim by dim, then a tower."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleDict({name: nn.Embedding(n, 6) for name, n in (("user", 9), ("item", 7), ("hour", 5))})
        self.terms = nn.ModuleDict({name: nn.Embedding(n, 1) for name, n in (("user", 9), ("item", 7), ("hour", 5))})
        self.norm, self.drop = nn.BatchNorm1d(6), nn.Dropout(0.2)
        self.tower = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1, bias=False))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        e = torch.stack([table(batch[name]) for name, table in self.tables.items()])
        both = 0.5 * (e.sum(0).square() - e.square().sum(0))
        first = sum(term(batch[name]) for name, term in self.terms.items())
        return (first + self.tower(self.drop(self.norm(both)))).squeeze(-1)


def make() -> tuple[nn.Module, tuple[dict[str, Tensor]]]:
    return Model(), ({"user": torch.randint(9, (3,)), "item": torch.randint(7, (3,)), "hour": torch.randint(5, (3,))},)
