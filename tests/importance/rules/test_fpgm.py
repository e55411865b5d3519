import pytest
import torch
from torch import nn

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.fpgm import Fpgm
from recprune.testing.cases import tiny_factors, tiny_mlp
from recprune.tracing.site import Cut, Kind, Site, Survey


def filters(weight: torch.Tensor) -> tuple[nn.Module, Site]:
    model = nn.Conv2d(*weight.shape[1::-1], tuple(weight.shape[2:]))
    with torch.no_grad():
        model.weight.copy_(weight)
    return model, Site("conv.filter", Kind.FILTER, len(weight), (Cut("weight", 0), Cut("bias", 0)))


def test_a_filter_is_worth_its_mean_distance_to_the_others_in_a_slow_loop() -> None:
    torch.manual_seed(0)
    model, site = filters(torch.randn(5, 2, 3, 1))
    worth = Fpgm()(site, Probe(model, Survey((site,), {}, {}, {}, "")))
    for one in range(5):
        distances = [
            float((model.weight[one] - model.weight[other]).detach().double().square().sum()) ** 0.5
            for other in range(5)
        ]
        assert worth[one].item() == pytest.approx(sum(distances) / 5, rel=1e-6)


def test_the_filter_in_the_middle_leaves_first_whatever_its_size() -> None:
    middle = torch.full((1, 1, 1, 2), 100.0)
    others = middle + torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 3.0], [0.0, -3.0]]).reshape(4, 1, 1, 2)
    model, site = filters(torch.cat([others, middle]))
    assert Fpgm()(site, Probe(model, Survey((site,), {}, {}, {}, ""))).argmin() == 4


def test_a_neuron_is_placed_by_its_row_and_not_by_what_reads_it() -> None:
    case = tiny_mlp()
    before = Fpgm()(case.survey.sites[0], Probe(case.model, case.survey))
    with torch.no_grad():
        case.model[3].weight.mul_(7)
        case.model[1].bias.add_(1)
    assert torch.equal(before, Fpgm()(case.survey.sites[0], Probe(case.model, case.survey)))
    rows = case.model[0].weight.detach().double()
    assert torch.allclose(before, (rows[:, None] - rows[None]).norm(dim=2).mean(1))


def test_other_kinds_units_without_a_row_and_too_many_units_are_refused_with_the_site() -> None:
    case = tiny_factors()
    with pytest.raises(SurveyError) as error:
        Fpgm()(case.survey.sites[0], Probe(case.model, case.survey))
    assert (error.value.site, error.value.kind) == ("user+item.dim", "dim")
    model = nn.Linear(3, 2)
    site = Site("x", Kind.NEURON, 3, (Cut("weight", 1),))
    with pytest.raises(SurveyError, match="rows of no matrix"):
        Fpgm()(site, Probe(model, Survey((site,), {}, {}, {}, "")))
    mlp = tiny_mlp()
    with pytest.raises(SurveyError) as error:
        Fpgm(limit=5)(mlp.survey.sites[0], Probe(mlp.model, mlp.survey))
    assert error.value.limit == 5
