"""How far two answers are apart."""

import math

import pytest
import torch
from torch import nn

from recprune.tracing.comparing import difference, larger_batch
from recprune.tracing.trace import survey


def test_it_is_the_largest_difference_over_the_largest_number():
    assert difference(torch.tensor([2.0, 10.0]), torch.tensor([3.0, 10.0])) == pytest.approx(0.1)
    assert difference(torch.tensor([0.1, 0.2]), torch.tensor([0.1, 0.3])) == pytest.approx(0.1)


def test_nests_are_compared_part_by_part():
    one = {"score": torch.zeros(2), "more": [torch.ones(3), "word"]}
    other = {"score": torch.zeros(2), "more": [torch.tensor([1.0, 1.0, 1.5]), "word"]}
    assert difference(one, other) == pytest.approx(0.5)


def test_other_shapes_and_other_numbers_of_parts_are_infinitely_far():
    assert difference(torch.zeros(2), torch.zeros(3)) == math.inf
    assert difference([torch.zeros(2)], [torch.zeros(2), torch.zeros(2)]) == math.inf


def test_what_is_no_number_in_both_is_equal_and_in_one_is_infinitely_far():
    odd = torch.tensor([math.nan, math.inf, 1.0])
    assert difference(odd, odd.clone()) == 0.0
    assert difference(odd, torch.tensor([0.0, math.inf, 1.0])) == math.inf


def test_starts_of_bags_go_on_rising_in_a_longer_batch():
    class Bags(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.out = nn.EmbeddingBag(12, 3, mode="sum"), nn.Linear(3, 2)

        def forward(self, ids: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
            return self.out(torch.tanh(self.table(ids, offsets)))

    example = (torch.arange(10), torch.tensor([0, 0, 2, 3, 4, 5, 5, 7, 8, 9]))
    found = survey(Bags().eval(), example)
    assert {"input0.id", "table.dim"} <= {site.name for site in found.sites}
    longer = larger_batch(found, example, found.columns)
    assert longer[1].tolist() == [*example[1].tolist(), *(example[1] + 10).tolist(), 20]
    assert len(longer[0]) == 21
    same = larger_batch(found, (example[0], torch.tensor([0, 1, 1, 0, 0, 1, 0, 1, 0, 1])), found.columns)
    assert int(same[1].max()) == 1
