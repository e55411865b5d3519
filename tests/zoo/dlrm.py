"""DLRM: dense features, pairwise dots of embeddings."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.EmbeddingBag(n, 6, mode="sum") for n in (9, 7, 5))
        self.bottom = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU())
        self.top = nn.Sequential(nn.Linear(6 + 6, 10), nn.ReLU(), nn.Linear(10, 1))
        self.register_buffer("pairs", torch.triu_indices(4, 4, 1))

    def forward(self, dense: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        x = self.bottom(dense)
        parts = [x] + [t(i.unsqueeze(1)) for t, i in zip(self.tables, (a, b, c), strict=True)]
        e = torch.stack(parts, 1)
        dots = torch.bmm(e, e.transpose(1, 2))[:, self.pairs[0], self.pairs[1]]
        return self.top(torch.cat([x, dots], 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.rand(3, 4), *(torch.randint(5, (3,)) for _ in range(3)))
