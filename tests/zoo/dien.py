"""DIEN: a GRU over the past, then cells whose update gate is weighed by attention to the candidate."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item, self.gru = nn.Embedding(12, 5, padding_idx=0), nn.GRU(5, 6, batch_first=True)
        self.attend = nn.Linear(5, 6, bias=False)
        self.into, self.again = nn.Linear(6, 18), nn.Linear(6, 18)
        self.tower = nn.Sequential(nn.Linear(11, 7), nn.PReLU(), nn.Linear(7, 1))

    def step(self, x: Tensor, state: Tensor, share: Tensor) -> Tensor:
        reset, update, new = self.into(x).chunk(3, 1)
        again_reset, again_update, again_new = self.again(state).chunk(3, 1)
        gate = torch.sigmoid(update + again_update) * share
        candidate = torch.tanh(new + torch.sigmoid(reset + again_reset) * again_new)
        return (1 - gate) * state + gate * candidate

    def forward(self, item: Tensor, past: Tensor) -> Tensor:
        e = self.item(item)
        interests, _ = self.gru(self.item(past))
        scores = (interests @ self.attend(e).unsqueeze(2)).squeeze(2).masked_fill(past == 0, -1e9)
        shares, state = torch.softmax(scores, 1), torch.zeros_like(interests[:, 0])
        for t in range(past.shape[1]):
            state = self.step(interests[:, t], state, shares[:, t : t + 1])
        return self.tower(torch.cat([state, e], 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(12, (3,)), torch.randint(1, 12, (3, 4)))
