import torch
from torch import nn

from recprune.importance.probe import Probe
from recprune.importance.rules.taylor import Taylor
from recprune.testing.cases import tiny_factors, tiny_mlp
from recprune.tracing.site import Cut, Kind, Site, Survey


def test_a_loss_that_is_linear_in_the_unit_is_estimated_exactly() -> None:
    case = tiny_factors()
    probe = Probe(case.model, case.survey, case.batches, lambda out, target: (out * target).sum())
    site = case.survey.site("user.id")
    change = torch.zeros(6, dtype=torch.float64)
    for batch in case.batches:
        one = Probe(case.model, case.survey, [batch], lambda out, target: (out * target).sum())
        without = torch.tensor([one.loss_without(site, u) for u in range(6)], dtype=torch.float64)
        change += (without - one.loss).abs() / len(case.batches)
    assert torch.allclose(Taylor()(site, probe), change, rtol=1e-4, atol=1e-5)


def test_an_id_that_never_occurs_in_the_batches_is_worth_nothing() -> None:
    case = tiny_factors()
    users = torch.tensor([1, 2])
    probe = Probe(case.model, case.survey, [((users,), torch.randn(2, 5))], case.loss)
    worth = Taylor()(case.survey.site("user.id"), probe)
    assert worth[:2].min() > 0
    assert worth[2:].abs().max() == 0


def test_a_neuron_that_is_always_off_is_worth_nothing() -> None:
    case = tiny_mlp()
    with torch.no_grad():
        case.model[1].bias[3] = -100.0
    worth = Taylor()(case.survey.sites[0], Probe(case.model, case.survey, case.batches, case.loss))
    assert worth[3] == 0
    assert worth.max() > 0


def test_a_large_weight_on_an_input_that_is_always_zero_leaves_before_a_small_one_that_is_used() -> None:
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[100.0, 0.1]]))
    survey = Survey((Site("in", Kind.DIM, 2, (Cut("weight", 1),)),), {}, {}, {}, "")
    batches = [((torch.tensor([[0.0, 1.0]]),), torch.zeros(1, 1))]
    worth = Taylor()(survey.sites[0], Probe(model, survey, batches, nn.functional.mse_loss))
    assert worth[0] < worth[1]
