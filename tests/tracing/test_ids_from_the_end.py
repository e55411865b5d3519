"""Ids below 0 that count from the end of a table: the others keep their column."""

import torch
from torch import Tensor, nn

from recprune.tracing.site import Kind
from recprune.tracing.trace import survey


class FromTheEnd(nn.Module):
    def __init__(self, below: int) -> None:
        super().__init__()
        self.table, self.below = nn.Embedding(9, 4), below

    def forward(self, item: Tensor) -> Tensor:
        ids = torch.where(item < self.below, item + len(self.table.weight), item)
        return self.table(ids).sum(1)


class Asked(nn.Module):
    """Whether an id is below 0 is itself looked up: that is no id."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(2, 4)

    def forward(self, item: Tensor) -> Tensor:
        return self.table((item < 0).long()).sum(1)


def ids(model: nn.Module) -> list[tuple[str, ...]]:
    return [s.columns for s in survey(model, (torch.tensor([1, 3, 8, 2]),)).sites if s.kind is Kind.ID]


def test_ids_that_are_not_negative_keep_their_column():
    assert ids(FromTheEnd(0)) == [("input0",)]


def test_any_other_condition_is_not_taken_for_that():
    assert ids(FromTheEnd(-1)) == []


def test_the_condition_is_no_id():
    assert ids(Asked()) == []
