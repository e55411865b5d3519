"""Reductions over units: what may leave under them, and what stays as it is named by a number."""

import pytest
import torch
from torch import Tensor, nn

from recprune.tracing.trace import survey


class Reduced(nn.Module):
    """Scores of all items, reduced."""

    def __init__(self, how) -> None:
        super().__init__()
        self.user, self.item, self.how = nn.Embedding(9, 4), nn.Embedding(7, 4), how

    def forward(self, user: Tensor) -> Tensor:
        return self.how(self.user(user) @ self.item.weight.T)


@pytest.mark.parametrize(
    "how",
    [
        lambda x: x.argmax(1),
        lambda x: x.argmin(1),
        lambda x: x.softmax(1).argmax(1),
        lambda x: x.max(1)[1],
        lambda x: x.min(1),
        lambda x: x.argmax(1, keepdim=True).float(),
        lambda x: torch.arange(7.0)[x.argmax(1)],
    ],
)
def test_units_that_are_named_by_a_number_stay(how):
    found = survey(Reduced(how), (torch.tensor([1, 2, 3]),))
    assert "says which of its units it is" in found.whole["item.weight:0"]
    assert not any(cut.tensor == "item.weight" and cut.dim == 0 for site in found.sites for cut in site.cuts)


@pytest.mark.parametrize(
    "how", [lambda x: x.amax(1), lambda x: x.max(), lambda x: x.mean(1), lambda x: x.softmax(1).sum(1)]
)
def test_units_whose_values_alone_are_read_may_leave(how):
    found = survey(Reduced(how), (torch.tensor([1, 2, 3]),))
    assert any(cut.tensor == "item.weight" and cut.dim == 0 for site in found.sites for cut in site.cuts)
