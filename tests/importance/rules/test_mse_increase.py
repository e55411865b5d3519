import pytest
import torch
from torch import nn

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.mse_increase import MseIncrease
from recprune.testing.cases import tiny_factors, tiny_item_item, tiny_mlp
from recprune.tracing.site import FLAT, Cut, Kind, Site, Survey


def test_a_unit_is_worth_the_rise_of_the_loss_without_it() -> None:
    case = tiny_mlp()
    probe = Probe(case.model, case.survey, case.batches, case.loss)
    site = case.survey.sites[0]
    worth = MseIncrease()(site, probe)
    assert worth.tolist() == pytest.approx([probe.loss_without(site, unit) - probe.loss for unit in range(6)])


def test_a_unit_that_does_harm_scores_below_zero() -> None:
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 5.0]]))
    survey = Survey((Site("in", Kind.DIM, 2, (Cut("weight", 1),)),), {}, {}, {}, "")
    probe = Probe(model, survey, [((torch.eye(2),), torch.tensor([[1.0], [0.0]]))], nn.functional.mse_loss)
    assert MseIncrease()(survey.sites[0], probe).tolist() == pytest.approx([0.5, -12.5])


def test_at_the_minimum_the_closed_form_of_entries_equals_leaving_each_out() -> None:
    torch.manual_seed(0)
    x, target = torch.randn(40, 4), torch.randn(40, 3)
    model = nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.linalg.lstsq(x.double(), target.double()).solution.T)
    survey = Survey((Site("entry", Kind.ENTRY, 12, (Cut("weight", FLAT),)),), {}, {}, {}, "")
    site = survey.sites[0]

    def squared_error(output: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return (output - wanted).double().square().sum(1).mean()

    probe = Probe(model, survey, [((x,), target)], squared_error)
    rises = torch.tensor([probe.loss_without(site, unit) for unit in range(12)], dtype=torch.float64) - probe.loss
    assert torch.allclose(MseIncrease()(site, probe), rises, rtol=1e-3, atol=1e-5)


def test_entries_need_batches_but_no_loss() -> None:
    case = tiny_item_item()
    histories = torch.cat([x for (x,), _ in case.batches]).double()
    expected = case.model.items.weight.detach().double().square() * histories.square().mean(0)
    worth = MseIncrease()(case.survey.sites[0], Probe(case.model, case.survey, case.batches))
    assert torch.allclose(worth.reshape(6, 6), expected)


def test_too_many_forward_passes_are_refused_and_taylor_is_named() -> None:
    case = tiny_mlp()
    probe = Probe(case.model, case.survey, case.batches, case.loss)
    with pytest.raises(SurveyError, match="taylor") as error:
        MseIncrease(limit=17)(case.survey.sites[0], probe)
    assert (error.value.site, error.value.passes) == ("0.neuron", 18)
    assert MseIncrease(limit=18)(case.survey.sites[0], probe).shape == (6,)


def test_ids_are_measured_by_the_metric_where_one_is_given_and_no_batches():
    case = tiny_factors()
    site = case.survey.site("user.id")
    row, fallback = (case.model.user.weight.detach()[code].norm() for code in (3, 0))
    probe = Probe(case.model, case.survey, metric=lambda model: float(model.user.weight.detach().norm(dim=1).sum()))
    assert float(MseIncrease()(site, probe)[2]) == pytest.approx(float(fallback - row), rel=1e-4)
