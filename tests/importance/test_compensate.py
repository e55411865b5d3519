import copy

import numpy as np
import pytest
import torch
from torch import nn

from recprune.errors import SurveyError
from recprune.importance.compensate import compensate
from recprune.importance.probe import Probe
from recprune.models.caser import Caser
from recprune.models.deepfm import DeepFM
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked
from recprune.testing.cases import tiny_mlp
from recprune.tracing.trace import survey


def mlp(bias: bool = True) -> tuple[nn.Sequential, list]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6, bias=bias), nn.ReLU(), nn.Linear(6, 2, bias=bias))
    return model, [((torch.randn(64, 5),), torch.randn(64, 2)) for _ in range(4)]


def probe_of(model, batches) -> Probe:
    return Probe(model, survey(model, batches[0][0]), batches, nn.functional.mse_loss)


def error(before, after, batches) -> float:
    with torch.no_grad():
        return float(torch.stack([(before(*x) - after(*x)).square().mean() for x, _ in batches]).mean())


def said(model, last: str, inputs) -> torch.Tensor:
    """What the part called `last` gives: the products of factors beside it are nobody's to answer for."""
    seen = []
    hook = model.get_submodule(last).register_forward_hook(lambda part, args, output: seen.append(output))
    with torch.no_grad():
        model.eval()(*inputs)
    hook.remove()
    return seen[0]


def plan_of(probe: Probe, kept) -> Plan:
    return Plan(probe.survey, kept, Budget(0.1), "by hand")


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_of_duplicated_neurons_loses_half_of_them_and_nothing_else(bias: bool) -> None:
    model, batches = mlp(bias)
    with torch.no_grad():
        for tensor in (model[0].weight, model[0].bias):
            tensor[4:] = 2 * tensor[:4]
    probe = probe_of(model, batches)
    kept = {"0.neuron": (0, 1, 2, 3)}
    plain = error(model, masked(model, plan_of(probe, kept)), batches)
    whole = compensate(probe, kept, damping=1e-8)
    small = apply(whole, plan_of(probe, kept), batches[0][0])
    assert tuple(small[0].weight.shape) == (4, 5)
    assert error(model, small, batches) < 1e-8 < 1e-3 < plain
    with torch.no_grad():
        assert max(float((model(*x) - small(*x)).abs().max()) for x, _ in batches) < 1e-4
    damped = apply(compensate(probe, kept), plan_of(probe, kept), batches[0][0])
    assert error(model, damped, batches) < 0.01 * plain


def test_on_random_layers_the_error_falls_also_through_several() -> None:
    model, batches = mlp()
    probe = probe_of(model, batches)
    kept = {"0.neuron": (0, 2, 3, 5, 7), "2.neuron": (1, 2, 4, 5)}
    plan = plan_of(probe, kept)
    whole = compensate(probe, kept)
    assert error(model, masked(whole, plan), batches) < 0.5 * error(model, masked(model, plan), batches)


def test_one_layer_is_the_least_squares_fit_of_the_dense_output_on_what_stays() -> None:
    model, batches = mlp()
    probe, kept = probe_of(model, batches), {"2.neuron": (0, 1, 4)}
    found = compensate(probe, kept, damping=1e-10)
    with torch.no_grad():
        hidden = torch.cat([model[:4](x) for (x,), _ in batches])
        wanted = torch.cat([model(x) for (x,), _ in batches]).double()
    rows = torch.cat([hidden[:, [0, 1, 4]], torch.ones(len(hidden), 1)], 1).double()
    fitted = torch.linalg.lstsq(rows, wanted).solution
    assert torch.allclose(found[4].weight[:, [0, 1, 4]].double(), fitted[:3].T, atol=1e-4)
    assert torch.allclose(found[4].bias.double(), fitted[3], atol=1e-4)
    gone = [2, 3, 5]
    assert torch.equal(found[4].weight[:, gone], model[4].weight[:, gone])


def test_with_much_damping_the_weights_stay_and_the_bias_takes_the_mean() -> None:
    model, batches = mlp()
    probe, kept = probe_of(model, batches), {"2.neuron": (0, 1, 4)}
    found = compensate(probe, kept, damping=1e9)
    assert torch.allclose(found[4].weight, model[4].weight, atol=1e-6)
    with torch.no_grad():
        after = torch.cat([masked(found, plan_of(probe, kept))(x) for (x,), _ in batches]).mean(0)
        assert torch.allclose(after, torch.cat([model(x) for (x,), _ in batches]).mean(0), atol=1e-5)


@pytest.mark.parametrize("kept", [{}, {"0.neuron": tuple(range(8))}, {"0.neuron": np.arange(8)}])
def test_where_nothing_leaves_the_copy_is_the_model_to_the_bit(kept) -> None:
    model, batches = mlp()
    found = compensate(probe_of(model, batches), kept)
    assert found is not model
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), model.parameters(), strict=True))


def test_the_dense_model_stays_as_it_was_and_no_hook_stays() -> None:
    case = tiny_mlp()
    before = copy.deepcopy(case.model.state_dict())
    found = compensate(Probe(case.model, case.survey, case.batches, case.loss), {"0.neuron": (0, 1, 2)})
    assert case.model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in case.model.state_dict().items())
    for one in (case.model, found):
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in one.modules())


def test_fields_dims_ids_and_filters_are_answered_for_too() -> None:
    torch.manual_seed(0)
    deep = DeepFM(["user", "item", "city"], [9, 8, 5], dim=4, hidden=(12, 6), dropout=0.0).eval()
    caser = Caser(12, length=5, dim=6, filters=4, heights=(1, 2), vertical=2, dropout=0.0).eval()
    codes = [torch.randint(5, (200,)) for _ in range(3)]
    for model, last, inputs, kept in (
        (deep, "tower", codes, {"city.field": (), "tower.0.neuron": range(7)}),
        (deep, "tower", codes, {"item.id": range(3), "tower.3.neuron": (0, 2, 5)}),
        (caser, "output", [torch.randint(12, (200, 5))], {"horizontal.1.filter": (0, 3), "item.dim": (0, 1, 2, 4)}),
    ):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        probe = probe_of(model, [(tuple(inputs), model(*inputs).detach())])
        kept = {name: tuple(units) for name, units in kept.items()}
        assert set(kept) <= {site.name for site in probe.survey.sites}
        plan = plan_of(probe, kept)
        whole = compensate(probe, kept)
        wanted = said(model, last, inputs)
        plain, after = ((said(masked(one, plan), last, inputs) - wanted).square().mean() for one in (model, whole))
        assert after < plain
        assert apply(whole, plan, tuple(x[:3] for x in inputs)) is not None


def test_a_weight_that_another_layer_shares_is_left_alone() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[4].weight = model[2].weight
    batches = [((torch.randn(32, 4),), torch.randn(32, 4))]
    probe = probe_of(model, batches)
    kept = {site.name: tuple(range(site.size - 1)) for site in probe.survey.sites}
    found = compensate(probe, kept)
    assert torch.equal(found[4].weight, model[4].weight)
    assert found[4].weight is found[2].weight


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_rows_that_are_all_alike_change_the_bias_and_no_weight(scale: float) -> None:
    model, _ = mlp()
    batches = [((scale * torch.randn(1, 5).expand(7, 5).contiguous(),), torch.zeros(7, 2))]
    kept = {"0.neuron": (0, 2, 3, 5, 7), "2.neuron": (1, 2, 4, 5)}
    probe = probe_of(model, batches)
    found = compensate(probe, kept)
    for name in ("2", "4"):
        change = found.get_submodule(name).weight - model.get_submodule(name).weight
        assert float(change.detach().abs().max()) < 1e-4
    away = error(model, masked(found, plan_of(probe, kept)), batches)
    assert away < 1e-6 * error(model, masked(model, plan_of(probe, kept)), batches)


def test_a_damping_that_is_none_is_refused() -> None:
    model, batches = mlp()
    with pytest.raises(SurveyError) as error:
        compensate(probe_of(model, batches), {}, damping=0)
    assert error.value.damping == 0
