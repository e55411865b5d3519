"""What leaves with one unit, counted by hand."""

import torch
from torch import nn

from recprune.planning.budget import Budget
from recprune.planning.costs import cost_of, unit_costs
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey


class Clicks(nn.Module):
    """A table of 50 rows of 4, and a tower of 6."""

    columns = ("city",)

    def __init__(self):
        super().__init__()
        self.city = nn.Embedding(50, 4)
        self.tower = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))

    def forward(self, city):
        return self.tower(self.city(city)).squeeze(-1)


def test_a_unit_costs_its_entries_or_their_bytes_or_the_multiply_adds_of_one_row():
    found = survey(Clicks(), (torch.tensor([1, 2, 3]),))
    neuron, dim = (next(s for s in found.sites if s.kind is kind) for kind in (Kind.NEURON, Kind.DIM))
    assert (unit_costs(found, neuron), unit_costs(found, dim)) == (4 + 1 + 1, 50 + 6)
    by_bytes = Budget(None, bytes=100)
    assert cost_of(found, neuron, Budget(0.5), {}, False) == 6
    assert cost_of(found, neuron, by_bytes, {}, False) == 4 * 6
    assert cost_of(found, dim, by_bytes, {"city.weight": "int8_rows"}, False) < 4 * 6 + 4 * 50
    assert cost_of(found, dim, Budget(0.5), {}, True) == 50 / 50 + 6
