"""Cross layers with raw parameters beside a tower."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, 4) for n in (9, 7, 5))
        self.kernels = nn.ParameterList(nn.Parameter(torch.randn(12, 1)) for _ in range(2))
        self.biases = nn.ParameterList(nn.Parameter(torch.randn(12, 1)) for _ in range(2))
        self.tower = nn.Sequential(nn.Linear(12, 8), nn.ReLU())
        self.out = nn.Linear(20, 1, bias=False)

    def forward(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        flat = torch.cat([t(x) for t, x in zip(self.tables, (a, b, c), strict=True)], 1)
        x0 = x = flat.unsqueeze(2)
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            x = torch.matmul(x0, torch.tensordot(x, kernel, dims=([1], [0]))) + bias + x
        return self.out(torch.cat([x.squeeze(2), self.tower(flat)], 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), tuple(torch.randint(5, (3,)) for _ in range(3))
