"""Ids whose rows stand in bare parameters and buffers too: what a unit is worth is what the masked model loses."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.importance.probe import Probe
from recprune.importance.rules.gates import Gates
from recprune.importance.rules.taylor import Taylor
from recprune.importance.score import score
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked, shrink_inputs
from recprune.tracing.cutting import masked_copy
from recprune.tracing.trace import survey

N = 9


class Beside(nn.Module):
    """An item's vector, a bias and what is known of it, and whether it is to be had."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.bias = nn.Embedding(N, 4), nn.Parameter(torch.randn(N))
        self.register_buffer("known", torch.randn(N, 2))
        self.register_buffer("there", torch.rand(N) < 0.7)
        self.out = nn.Linear(6, 1)

    def forward(self, item: Tensor) -> Tensor:
        states = torch.cat([self.table(item), self.known[item]], 1)
        return (self.out(states)[:, 0] + self.bias[item]) * self.there[item]


@pytest.fixture
def probe() -> Probe:
    model = Beside().eval()
    item = torch.tensor([1, 4, 2, 8, 8, 3, 0, 5, 6, 7])
    return Probe(model, survey(model, (item,), ("item",)), [((item,), torch.randn(10))], F.mse_loss)


def test_the_loss_without_an_id_is_that_of_the_masked_model(probe: Probe) -> None:
    site = probe.survey.site("item.id")
    assert {cut.tensor for cut in site.cuts} == {"table.weight", "bias", "known", "there"}
    before = {n: t.clone() for n, t in probe.model.state_dict().items()}
    for unit in range(site.size):
        without = masked_copy(probe.model, probe.survey, {site.name: np.array([unit])}, {})
        assert probe.loss_without(site, unit) == pytest.approx(probe.loss_of(without), abs=1e-6)
    assert all(torch.equal(t, before[n]) for n, t in probe.model.state_dict().items())


def test_it_is_scored_and_cut(probe: Probe) -> None:
    site = probe.survey.site("item.id")
    for rule in (Taylor(), Gates(steps=3)):
        assert score(probe.survey, rule, probe)[site.name].shape == (N - 1,)
    probe.model.columns = ("item",)
    assert probe.rise_without_ids(site).shape == (N - 1,)
    plan = Plan(probe.survey, {site.name: np.array([1, 4, 6])}, Budget(0.0))
    items = torch.arange(N)
    small = apply(probe.model, plan, (items,))
    assert (len(small.bias), len(small.there), len(small.known)) == (4, 4, 4)
    assert torch.equal(small.there[0], probe.model.there[0])
    torch.testing.assert_close(small(*shrink_inputs(plan, (items,))), masked(probe.model, plan)(items))
