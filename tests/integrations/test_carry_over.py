"""What an optimizer knows of what stays, it still knows after a cut."""

import pytest
import torch
from torch import nn

from recprune.errors import TrainingError
from recprune.importance.probe import Probe
from recprune.importance.rules.magnitude import Magnitude
from recprune.importance.score import score
from recprune.integrations.carry_over import carry_over_
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.surgery import apply
from recprune.tracing.trace import survey

EXAMPLE = (torch.randn(5, 6, generator=torch.Generator().manual_seed(1)),)


def net(norm=True):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8) if norm else nn.Identity(), nn.ReLU(), nn.Linear(8, 1))


def half_silent():
    """Four of eight units say nothing, and get no gradient."""
    model = net(norm=False)
    with torch.no_grad():
        model[0].weight[4:] = model[0].bias[4:] = 0
        model[3].weight[:, 4:] = 0
    return model


def step_(model, optimizer, times=3):
    for number in range(times):
        x = torch.randn(16, 6, generator=torch.Generator().manual_seed(number))
        optimizer.zero_grad()
        (model(x).squeeze(1) - x.sum(1)).square().mean().backward()
        optimizer.step()


def cut(model, factor=0.5):
    found = survey(model, EXAMPLE)
    plan = choose(found, score(found, Magnitude(), Probe(model, found)), Budget(factor))
    return plan, apply(model, plan, EXAMPLE, packed=False)


OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_kept_of_a_parameter_is_cut_like_the_parameter(name):
    model = net()
    optimizer = OPTIMIZERS[name](model.parameters())
    step_(model, optimizer)
    before = {n: {k: v.clone() for k, v in optimizer.state[p].items()} for n, p in model.named_parameters()}
    plan, small = cut(model)
    stays = torch.from_numpy(plan.kept["0.neuron"])
    assert 0 < len(stays) < 8
    carry_over_(optimizer, model, small, plan)
    assert [id(p) for p in optimizer.param_groups[0]["params"]] == [id(p) for p in small.parameters()]
    assert set(optimizer.state) == set(small.parameters())
    for parameter, old, take in (
        (small[0].weight, before["0.weight"], lambda t: t[stays]),
        (small[0].bias, before["0.bias"], lambda t: t[stays]),
        (small[3].weight, before["3.weight"], lambda t: t[:, stays]),
        (small[3].bias, before["3.bias"], lambda t: t),
    ):
        for key, value in optimizer.state[parameter].items():
            wanted = old[key] if key == "step" else take(old[key])
            torch.testing.assert_close(value, wanted, rtol=0, atol=0)


def test_a_unit_that_said_nothing_leaves_and_training_goes_on_as_if_it_were_there():
    model, whole = half_silent(), half_silent()
    optimizer, other = (torch.optim.Adam(each.parameters(), lr=0.01) for each in (model, whole))
    step_(model, optimizer)
    plan, small = cut(model, 0.45)
    assert plan.kept["0.neuron"].tolist() == [0, 1, 2, 3]
    carry_over_(optimizer, model, small, plan)
    step_(small, optimizer)
    step_(whole, other, 3)
    step_(whole, other, 3)
    torch.testing.assert_close(small[3].weight, whole[3].weight[:, :4])
    torch.testing.assert_close(small(EXAMPLE[0]), whole(EXAMPLE[0]))


def test_groups_keep_their_options_and_what_belongs_to_other_modules_stays():
    model, other = net(), nn.Linear(2, 1)
    groups = [{"params": model[0].parameters(), "lr": 0.5}, {"params": [*model[3].parameters(), *other.parameters()]}]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    plan, small = cut(model)
    carry_over_(optimizer, model, small, plan)
    first, second = optimizer.param_groups
    assert first["lr"] == 0.5
    assert [id(p) for p in first["params"]] == [id(p) for p in small[0].parameters()]
    assert [id(p) for p in second["params"]] == [id(p) for p in (*small[3].parameters(), *other.parameters())]


def test_what_cannot_be_cut_is_refused_and_nothing_changes():
    model = net()
    optimizer = torch.optim.Adafactor(model.parameters(), lr=0.01)
    step_(model, optimizer)
    plan, small = cut(model)
    with pytest.raises(TrainingError, match="cannot be cut"):
        carry_over_(optimizer, model, small, plan)
    assert [id(p) for p in optimizer.param_groups[0]["params"]] == [id(p) for p in model.parameters()]
    assert set(optimizer.state) == set(model.parameters())
