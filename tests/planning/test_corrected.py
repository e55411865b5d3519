"""What sites lose together is measured, and the plan chosen again."""

import torch
from torch import nn
from torch.nn import functional as F

from recprune.importance.probe import Probe
from recprune.importance.rules.magnitude import Magnitude
from recprune.importance.score import score
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.corrected import corrected
from recprune.planning.measured import measured, rise_without
from recprune.tracing.trace import survey


class Twins(nn.Module):
    """Two towers that do the same: each is useless beside the other, and one has to stay."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.left, self.right = nn.Linear(6, 8), nn.Linear(6, 8)
        self.right.load_state_dict(self.left.state_dict())
        self.third = nn.Linear(6, 8)

    def forward(self, x):
        both = torch.maximum(self.left(x).relu().sum(1), self.right(x).relu().sum(1))
        return both + 0.8 * self.third(x).relu().sum(1)


def probed(model: nn.Module):
    x = torch.randn(128, 6, generator=torch.Generator().manual_seed(1))
    found = survey(model, (x[:3],))
    return found, Probe(model, found, [((x,), model(x).detach())], F.mse_loss)


def leaving(found, plan):
    return {s.name: plan.leaving(s) for s in found.sites}


def test_units_that_cover_for_each_other_do_not_leave_together():
    model = Twins()
    found, probe = probed(model)
    told = measured(model, found, score(found, Magnitude(), probe), probe)
    first = choose(found, told, Budget(0.5))
    rises: list[float] = []
    plan = corrected(
        model, found, told, probe, Budget(0.5), rounds=5, progress=lambda number, rounds, rise: rises.append(rise)
    )
    before, after = (rise_without(model, found, leaving(found, p), probe) for p in (first, plan))
    assert after == min(rises)
    assert after < before / 2
    assert plan.account().share_removed >= 0.5


def test_a_plan_that_comes_back_ends_the_rounds():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))
    found, probe = probed(model)
    told = measured(model, found, score(found, Magnitude(), probe), probe)
    rounds: list[int] = []
    plan = corrected(
        model, found, told, probe, Budget(0.4), rounds=9, progress=lambda number, all_, rise: rounds.append(number)
    )
    assert rounds == [1]
    assert plan == choose(found, {n: t.double() for n, t in told.items()}, Budget(0.4))
