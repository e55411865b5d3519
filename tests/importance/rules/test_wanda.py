import pytest
import torch
from torch import nn

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.wanda import Wanda
from recprune.testing.cases import tiny_factors, tiny_item_item, tiny_mlp
from recprune.tracing.site import Cut, Kind, Site, Survey


def test_an_entry_is_worth_its_size_times_the_norm_of_its_input() -> None:
    case = tiny_item_item()
    histories = torch.cat([x for (x,), _ in case.batches]).double()
    weights = case.model.items.weight.detach().double()
    worth = Wanda(p=1.0)(case.survey.sites[0], Probe(case.model, case.survey, case.batches))
    for i in range(6):
        for j in range(6):
            expected = float(weights[i, j].abs() * histories[:, j].square().mean().sqrt())
            assert worth.reshape(6, 6)[i, j].item() == pytest.approx(expected, rel=1e-6)


def test_a_neuron_is_worth_the_mean_square_by_which_the_next_layer_changes_without_it() -> None:
    case = tiny_mlp()
    probe = Probe(case.model, case.survey, case.batches)
    worth = Wanda()(case.survey.sites[0], probe)
    model = case.model.eval()
    x = torch.cat([x for (x,), _ in case.batches])
    with torch.no_grad():
        hidden = model[:3](x)
        for unit in range(6):
            without = hidden.clone()
            without[:, unit] = 0
            change = (model[3](hidden) - model[3](without)).double().square().sum(1).mean()
            assert worth[unit].item() == pytest.approx(float(change), rel=1e-4)


def test_a_unit_that_takes_several_columns_has_them_all_and_a_filter_is_a_unit() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    site = Site("f", Kind.FILTER, 3, (Cut("1.weight", 1, 0, 2),))
    x = torch.randn(50, 3, 2)
    worth = Wanda()(site, Probe(model, Survey((site,), {}, {}, {}, ""), [((x,), x)]))
    weights, sizes = model[1].weight.detach().double(), x.reshape(50, 6).double().square().mean(0)
    assert torch.allclose(worth, (weights.square() * sizes).sum(0).reshape(3, 2).sum(1))


def test_where_no_linear_layer_reads_a_unit_its_own_row_counts() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    site = Site("n", Kind.NEURON, 3, (Cut("weight", 0), Cut("bias", 0)))
    x = torch.randn(20, 4)
    worth = Wanda(p=1.0)(site, Probe(model, Survey((site,), {}, {}, {}, ""), [((x,), x)]))
    expected = (model.weight.detach().double().abs() * x.double().square().mean(0).sqrt()).sum(1)
    assert torch.allclose(worth, expected)


def test_a_large_weight_on_a_silent_input_leaves_before_a_small_one_on_a_loud_one() -> None:
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[5.0, 0.1]]))
    site = Site("in", Kind.NEURON, 2, (Cut("weight", 1),))
    batches = [((torch.tensor([[0.001, 3.0]]),), torch.zeros(1, 1))]
    worth = Wanda()(site, Probe(model, Survey((site,), {}, {}, {}, ""), batches))
    assert worth[0] < worth[1]


def test_factors_that_no_linear_layer_reads_are_refused_with_the_site() -> None:
    case = tiny_factors()
    with pytest.raises(SurveyError) as error:
        Wanda()(case.survey.sites[0], Probe(case.model, case.survey, case.batches))
    assert error.value.site == "user+item.dim"


@pytest.mark.parametrize("p", [0, -2, float("nan")])
def test_a_power_without_sense_is_refused(p) -> None:
    with pytest.raises(SurveyError) as error:
        Wanda(p)
    assert "p" in error.value.parts
