import pytest
import torch
from torch import nn

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.fisher import Fisher
from recprune.testing.cases import tiny_factors, tiny_mlp
from recprune.tracing.site import Cut, Kind, Site, Survey


def test_near_a_minimum_the_estimate_is_the_measured_rise_of_the_loss() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.1, 0.2, 0.3]]))
    x = torch.randn(4096, 3)
    label = torch.bernoulli(torch.sigmoid(model(x).detach()))
    site = Site("in", Kind.DIM, 3, (Cut("weight", 1),))
    loss = nn.functional.binary_cross_entropy_with_logits
    probe = Probe(model, Survey((site,), {}, {}, {}, ""), [((x,), label)], loss)
    exact = torch.tensor([0.01, 0.04, 0.09], dtype=torch.float64) / 8  # w² · mean(x²) · p(1-p) / 2
    assert torch.allclose(Fisher(passes=4096)(site, probe), exact, rtol=0.15)


def test_the_sum_of_a_group_is_squared_and_not_the_sum_of_squares_taken() -> None:
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, -1.0]]))
    pair = Site("pair", Kind.FIELD, 1, (Cut("weight", 1, width=2),))
    x = torch.ones(4, 2)
    target = torch.tensor([[1.0], [-1.0], [2.0], [-2.0]])
    probe = Probe(model, Survey((pair,), {}, {}, {}, ""), [((x,), target)], nn.functional.mse_loss)
    assert Fisher()(pair, probe).item() == pytest.approx(0.0, abs=1e-12)


def test_ids_are_rated_on_the_rows_for_ids() -> None:
    case = tiny_factors()
    torch.manual_seed(1)
    more = [((torch.tensor([5, 5, 6]),), torch.randn(3, 5))]
    probe = Probe(case.model, case.survey, case.batches, case.loss, case.counts, id_batches=more)
    worth = Fisher()(case.survey.site("user.id"), probe)
    assert worth[:4].abs().max() == 0
    assert worth[4:].min() > 0


def test_one_sweep_serves_all_sites() -> None:
    case, calls = tiny_factors(), []

    def loss(output, target):
        calls.append(1)
        return case.loss(output, target)

    probe = Probe(case.model, case.survey, case.batches, loss, case.counts)
    for _ in range(2):
        Fisher()(case.survey.site("user+item.dim"), probe)
    assert len(calls) == sum(len(y) for _, y in case.batches)


def test_a_neuron_that_is_always_off_is_worth_nothing() -> None:
    case = tiny_mlp()
    with torch.no_grad():
        case.model[1].bias[3] = -100.0
    worth = Fisher()(case.survey.sites[0], Probe(case.model, case.survey, case.batches, case.loss))
    assert worth[3] == 0
    assert worth.max() > 0


def test_fewer_than_two_passes_are_refused() -> None:
    with pytest.raises(SurveyError) as error:
        Fisher(passes=1)
    assert error.value.passes == 1
