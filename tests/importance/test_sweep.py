import copy

import pytest
import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.sweep import sweep
from recprune.importance.units import fallback_of, left_out
from recprune.testing.cases import tiny_cases, tiny_factors, tiny_mlp
from recprune.tracing.site import Cut, Kind, Site, Survey


@pytest.mark.parametrize("case", tiny_cases(), ids=lambda case: case.name)
def test_worth_and_mean_gradient_equal_a_slow_loop(case) -> None:
    model = copy.deepcopy(case.model).eval()
    parameters = dict(model.named_parameters())
    site = case.survey.sites[-1]
    mean = {name: torch.zeros_like(p) for name, p in parameters.items()}
    worth = torch.zeros(site.size, dtype=torch.float64)
    for inputs, target in case.batches:
        model.zero_grad()
        case.loss(model(*inputs), target).backward()
        for name, p in parameters.items():
            mean[name] += p.grad / len(case.batches)
        for unit in range(site.size):
            whole = {name: p.detach().clone() for name, p in parameters.items()}
            with left_out(dict(model.named_parameters()) | dict(model.named_buffers()), site, unit, frozenset()):
                change = sum(((whole[n] - p.detach()) * p.grad).sum().double() for n, p in parameters.items())
            worth[unit] += abs(change) / len(case.batches)
    found = sweep(case.model, case.survey, case.batches, case.loss)
    assert torch.allclose(found.worth[site.name], worth, rtol=1e-4, atol=1e-6)
    assert all(torch.allclose(found.gradients[n], g, rtol=1e-4, atol=1e-6) for n, g in mean.items())


def test_batches_that_pull_in_opposite_directions_do_not_cancel() -> None:
    model = nn.Linear(1, 1, bias=False)
    site = Site("w", Kind.NEURON, 1, (Cut("weight", 1),))
    survey = Survey((site,), {"weight": (1, 1)}, {"weight": 4}, {}, "")
    x, w = torch.ones(1, 1), model.weight.item()
    batches = [((x,), torch.tensor([[w + 1]])), ((x,), torch.tensor([[w - 1]]))]
    found = sweep(model, survey, batches, nn.functional.mse_loss)
    assert found.gradients["weight"].abs().max() < 1e-6
    assert found.worth["w"].item() == pytest.approx(2 * abs(w), rel=1e-5)


def test_an_id_that_equals_its_fallback_row_is_worth_nothing() -> None:
    case = tiny_factors()
    with torch.no_grad():
        case.model.user.weight[3] = case.model.user.weight[0]
    worth = sweep(case.model, case.survey, case.batches, case.loss).worth["user.id"]
    assert worth[2] == 0
    assert worth[1] > 0
    site = case.survey.site("user.id")
    assert torch.equal(
        fallback_of(case.model.user.weight.detach(), site, site.cuts[0], frozenset())[0], case.model.user.weight[0]
    )


def test_a_frozen_parameter_and_a_sparse_gradient_are_asked_too() -> None:
    model = nn.Sequential(nn.Embedding(4, 2, sparse=True), nn.Linear(2, 1))
    model[1].weight.requires_grad_(False)
    model[1].weight.grad = torch.ones(1, 2)
    kept = model[1].weight.grad
    cuts = (Cut("0.weight", 1), Cut("1.weight", 1))
    survey = Survey((Site("dim", Kind.DIM, 2, cuts),), {}, {}, {}, "")
    found = sweep(model, survey, [((torch.tensor([1, 2]),), torch.ones(2, 1))], nn.functional.mse_loss)
    assert found.gradients["0.weight"][1].abs().sum() > 0
    assert found.gradients["1.weight"].abs().sum() > 0
    assert not model[1].weight.requires_grad
    assert model[1].weight.grad is kept
    assert model[0].weight.grad is None


def test_a_tied_weight_has_one_gradient_under_both_names() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    found = sweep(model, Survey((), {}, {}, {}, ""), [((torch.ones(2, 3),), torch.ones(2, 3))], nn.functional.mse_loss)
    assert torch.equal(found.gradients["0.weight"], found.gradients["1.weight"])


def test_modes_of_every_module_come_back_also_when_it_breaks() -> None:
    case = tiny_mlp()
    case.model.train()
    case.model[1].eval()
    modes = [module.training for module in case.model.modules()]
    seen = []

    def broken(output: Tensor, target: Tensor) -> Tensor:
        seen.append(case.model[0].training)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sweep(case.model, case.survey, case.batches, broken)
    assert seen == [False]
    assert [module.training for module in case.model.modules()] == modes


@pytest.mark.parametrize(
    "loss", [lambda out, target: (out - target).square(), lambda out, target: torch.zeros(())], ids=["many", "constant"]
)
def test_a_loss_that_is_no_number_of_the_model_is_refused(loss) -> None:
    case = tiny_mlp()
    with pytest.raises(SurveyError, match="one number that depends on"):
        sweep(case.model, case.survey, case.batches, loss)


def test_a_sweep_works_where_gradients_are_switched_off() -> None:
    case = tiny_mlp()
    with torch.no_grad():
        worth: Tensor = sweep(case.model, case.survey, case.batches, case.loss).worth["0.neuron"]
    assert worth.max() > 0


def test_a_short_batch_counts_by_its_rows():
    case = tiny_mlp()
    (x,), y = case.batches[0]
    whole = Probe(case.model, case.survey, [((x,), y)], case.loss)
    parts = Probe(case.model, case.survey, [((x[:7],), y[:7]), ((x[7:],), y[7:])], case.loss)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)
    cut = case.survey.sites[0].cuts[0]
    torch.testing.assert_close(parts.gradients(cut), whole.gradients(cut), rtol=1e-5, atol=1e-6)
