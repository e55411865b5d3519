"""Numbers written by position, through views and by masks: exact, or frozen with a word."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.surgery import apply
from recprune.tracing.site import Survey
from recprune.tracing.trace import survey

Write = Callable[[Tensor, Tensor], Tensor]


class Writes(nn.Module):
    """(rows, places, 3) -> 6 units a place, written in one way or another, summed over the places."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self.a, self.b, self.out, self.write = nn.Linear(3, 6), nn.Linear(3, 6), nn.Linear(6, 2), write

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.write(torch.relu(self.a(x)), torch.sigmoid(self.b(x))).sum(1))


def surveyed(write: Write) -> tuple[nn.Module, Survey, tuple[Tensor]]:
    torch.manual_seed(0)
    model, example = Writes(write).eval(), (torch.randn(4, 5, 3),)
    return model, survey(model, example), example


def into_zeros(a: Tensor, b: Tensor) -> Tensor:
    out = torch.zeros_like(a)
    out[:, 1:3] = a[:, 1:3] * b[:, 1:3]
    out[:, 0] = a[:, 4]
    return out


def by_index(a: Tensor, b: Tensor) -> Tensor:
    a[:, torch.tensor([0, 2])] = b[:, :2]
    return a * b


def by_mask_of_places(a: Tensor, b: Tensor) -> Tensor:
    a[b[..., 0].detach() * 0 > 1] = 0.0
    a[(b.sum(-1) > -1e9).logical_not()] = 1.0
    return a


def by_mask_of_numbers(a: Tensor, b: Tensor) -> Tensor:
    a[b > 0.5] = 0.0
    return a


def index_fill(a: Tensor, b: Tensor) -> Tensor:
    return a.index_fill(1, torch.tensor([3]), 2.0) + b.index_copy(1, torch.tensor([1]), a[:, :1])


def scatter(a: Tensor, b: Tensor) -> Tensor:
    places = torch.tensor([[2, 0]]).expand(len(a), -1).unsqueeze(-1).expand(-1, -1, a.shape[-1])
    return a.scatter(1, places, b[:, :2]).scatter_add(1, places, a[:, :2]) + b.scatter(1, places, 3.0)


def gather(a: Tensor, b: Tensor) -> Tensor:
    places = torch.tensor([[2, 0]]).expand(len(a), -1).unsqueeze(-1).expand(-1, -1, a.shape[-1])
    return a.gather(1, places) + torch.take_along_dim(b, places, 1)


def in_place_through_a_view(a: Tensor, b: Tensor) -> Tensor:
    a.transpose(1, 2)[:, :, 0].add_(1.0)
    a.view(-1).mul_(2.0)
    return (a.unsqueeze(2) @ b.unsqueeze(3)).squeeze(3) * a


def filled_through_a_view(a: Tensor, b: Tensor) -> Tensor:
    a[:, 2].zero_()
    a[:, 3].fill_(1.5)
    return a - b


WAYS = [into_zeros, by_index, by_mask_of_numbers, index_fill, scatter, gather, filled_through_a_view]


@pytest.mark.parametrize("write", WAYS, ids=lambda write: write.__name__)
def test_units_leave_what_is_written(write: Write):
    model, found, example = surveyed(write)
    names = {cut.tensor for site in found.sites for cut in site.cuts}
    assert {"a.weight", "out.weight"} <= names, dict(found.whole)
    for site in found.sites:
        apply(model, Plan(found, {site.name: np.array([0, 2, 5])}, Budget(0.0)), example)


def test_a_mask_that_asks_one_unit_keeps_all_of_them_and_says_why():
    _, found, _ = surveyed(by_mask_of_places)
    assert "picked by their position" in found.whole["b.weight:0"]


def test_numbers_written_through_a_view_are_no_zeros_any_more():
    model, found, example = surveyed(in_place_through_a_view)
    assert "would not add zero" in found.whole["a.weight:0"]
    for site in found.sites:
        apply(model, Plan(found, {site.name: np.arange(0, site.size, 2)}, Budget(0.0)), example)
