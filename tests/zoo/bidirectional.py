"""Recurrent layers of two layers and both ways, of each kind, read by their outputs and by their last states."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item = nn.Embedding(12, 5)
        self.gru = nn.GRU(5, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.lstm = nn.LSTM(8, 3, num_layers=2, bidirectional=True, batch_first=True, dropout=0.1)
        self.plain = nn.RNN(6, 5, num_layers=2, bidirectional=True, batch_first=True, bias=False)
        self.out = nn.Linear(10 + 5 + 6, 12)

    def forward(self, past: Tensor) -> Tensor:
        x, _ = self.gru(self.item(past))
        x, (last, _) = self.lstm(x)
        x, state = self.plain(x)
        return self.out(torch.cat([x.mean(1), state[-1], last[0], last[-1]], 1))


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(12, (3, 5)),)
