"""NGCF: messages along the edges of a sparse graph, products with the node's own factors, layers side by side."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.randn(13, 6))
        self.plain, self.both = (nn.ModuleList(nn.Linear(6, 6) for _ in range(2)) for _ in range(2))
        graph = (torch.rand(13, 13) > 0.6).float()
        self.register_buffer("adjacency", (graph / graph.sum(1, keepdim=True).clamp(min=1)).to_sparse())

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        x, layers = self.factors, [self.factors]
        for plain, both in zip(self.plain, self.both, strict=True):
            near = self.adjacency @ x
            x = F.leaky_relu(plain(near + x) + both(near * x), 0.2)
            layers.append(F.normalize(x, dim=1))
        found = torch.cat(layers, 1)
        return (found[user] * found[item + 6]).sum(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(6, (3,)), torch.randint(7, (3,)))
