"""Caser with a user table; convolutions over the embedded sequence."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(9, 6), nn.Embedding(12, 6)
        self.across = nn.ModuleList(nn.Conv2d(1, 4, (h, 6)) for h in (1, 2, 3))
        self.down = nn.Conv2d(1, 2, (5, 1))
        self.fc = nn.Linear(12 + 12, 6)
        self.weight, self.bias = nn.Embedding(12, 12), nn.Embedding(12, 1)

    def forward(self, user: Tensor, sequence: Tensor, item: Tensor) -> Tensor:
        image = self.item(sequence).unsqueeze(1)
        found = [self.down(image).view(len(image), -1)]
        for conv in self.across:
            h = torch.relu(conv(image).squeeze(3))
            found.append(torch.nn.functional.max_pool1d(h, h.size(2)).squeeze(2))
        z = torch.relu(self.fc(torch.cat(found, 1)))
        x = torch.cat([z, self.user(user)], 1).unsqueeze(2)
        w, b = self.weight(item), self.bias(item)
        return torch.baddbmm(b, w, x).squeeze(2)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(9, (3,)), torch.randint(12, (3, 5)), torch.randint(12, (3, 4)))
