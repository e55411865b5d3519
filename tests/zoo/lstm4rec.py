"""GRU4Rec with a LSTM of two layers."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item = nn.Embedding(12, 6)
        self.rnn = nn.LSTM(6, 8, num_layers=2, batch_first=True)
        self.fc, self.out = nn.Linear(8, 5), nn.Linear(5, 12)

    def forward(self, sequence: Tensor) -> Tensor:
        hidden, _ = self.rnn(self.item(sequence))
        return self.out(torch.tanh(self.fc(hidden[:, -1])))


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(12, (3, 5)),)
