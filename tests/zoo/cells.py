"""Recurrent cells, stepped by hand: GRU, LSTM and plain."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item, self.out = nn.Embedding(12, 5), nn.Linear(6, 12)
        self.gru, self.lstm, self.plain = nn.GRUCell(5, 6), nn.LSTMCell(6, 6), nn.RNNCell(6, 6)

    def forward(self, past: Tensor) -> Tensor:
        first = second = third = memory = torch.zeros(len(past), self.gru.hidden_size)
        for t in range(past.shape[1]):
            first = self.gru(self.item(past[:, t]), first)
            second, memory = self.lstm(first, (second, memory))
            third = self.plain(second, third)
        return self.out(third)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(12, (3, 3)),)
