"""One dict of fields; the past shares the item's table, and what is 0 there is no item."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(9, 4), nn.Embedding(12, 5, padding_idx=0)
        self.tower = nn.Sequential(nn.Linear(15, 7), nn.ReLU(), nn.Linear(7, 1))

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        there = (x["past"] != 0).unsqueeze(-1).float()
        pooled = (self.item(x["past"]) * there).sum(1) / (there.sum(1) + 1e-16)
        parts = [self.user(x["user_id"]), self.item(x["item"]), pooled, x["price"].unsqueeze(1)]
        return self.tower(torch.cat(parts, 1)).squeeze(1)


def make() -> tuple[nn.Module, tuple[dict[str, Tensor]]]:
    ids = {"user_id": torch.randint(9, (3,)), "item": torch.randint(12, (3,)), "past": torch.randint(12, (3, 4))}
    return Model(), ({**ids, "price": torch.rand(3)},)
