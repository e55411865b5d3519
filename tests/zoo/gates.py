"""Gates: halves of one product by chunk, by slices and by glu; a decay that is a running sum."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item, self.both, self.again = nn.Embedding(12, 6), nn.Linear(6, 10), nn.Linear(5, 8)
        self.last, self.out = nn.Linear(4, 6), nn.Linear(3, 2)

    def forward(self, past: Tensor) -> Tensor:
        value, gate = self.both(self.item(past)).chunk(2, -1)
        x = value * torch.sigmoid(gate)
        x = self.again(x.cumsum(1))
        half = x.shape[-1] // 2
        x = F.silu(x[..., :half]) * x[..., half:]
        return self.out(F.glu(self.last(x), -1).mean(1))


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(12, (3, 5)),)
