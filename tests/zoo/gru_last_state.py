"""A recurrent layer that is read by its last state."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item, self.rnn, self.out = nn.Embedding(12, 6), nn.GRU(6, 8), nn.Linear(8, 12)

    def forward(self, sequence: Tensor) -> Tensor:
        _, state = self.rnn(self.item(sequence.t()))
        return self.out(state.squeeze(0))


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(12, (3, 5)),)
