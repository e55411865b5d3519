import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call

from recprune.importance.gating import gated, trained_gates
from recprune.importance.units import left_out
from recprune.testing.cases import tiny_cases, tiny_factors
from recprune.tracing.site import Cut, Kind, Site, Survey

HOW = {"steps": 60, "lr": 0.05, "penalty": 0.5, "eps": 0.1, "seed": 0}


def answers(case, tensors=None) -> torch.Tensor:
    with torch.no_grad():
        model = copy.deepcopy(case.model).eval()
        inputs = case.batches[0][0]
        return model(*inputs) if tensors is None else functional_call(model, tensors, inputs)


@pytest.mark.parametrize("case", tiny_cases(), ids=lambda case: case.name)
def test_open_gates_are_the_model_and_a_shut_one_is_the_model_without_the_unit(case) -> None:
    for site in case.survey.sites:
        open_ = torch.ones(site.size)
        assert torch.equal(answers(case, gated(case.model, case.survey, {site.name: open_})), answers(case))
        unit = site.size - 1
        shut = open_.clone()
        shut[unit] = 0
        tensors = {**dict(case.model.named_parameters()), **dict(case.model.named_buffers())}
        with left_out(tensors, site, unit, case.survey.features):
            expected = answers(case)
        found = answers(case, gated(case.model, case.survey, {site.name: shut}))
        assert torch.allclose(found, expected, atol=1e-6), site.name


def test_gates_of_several_sites_of_one_tensor_multiply() -> None:
    model = nn.Linear(4, 3, bias=False)
    rows, columns = Site("r", Kind.NEURON, 3, (Cut("weight", 0),)), Site("c", Kind.NEURON, 2, (Cut("weight", 1, 0, 2),))
    survey = Survey((rows, columns), {}, {}, {}, "")
    gates = {"r": torch.tensor([0.5, 1.0, 2.0]), "c": torch.tensor([3.0, 0.1])}
    expected = model.weight.detach() * gates["r"][:, None] * torch.tensor([3.0, 3.0, 0.1, 0.1])
    assert torch.allclose(gated(model, survey, gates)["weight"], expected)


def test_an_id_half_shut_is_half_way_to_the_row_that_answers_for_it() -> None:
    case = tiny_factors()
    table = case.model.user.weight.detach()
    gates = torch.ones(6)
    gates[2] = 0.5
    found = gated(case.model, case.survey, {"user.id": gates})["user.weight"]
    assert torch.allclose(found[3], (table[3] + table[0]) / 2)
    others = [0, 1, 2, 4, 5, 6]
    assert torch.equal(found[others], table[others])


def two_inputs(weights, target) -> tuple[nn.Module, Site, list]:
    torch.manual_seed(0)
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([weights]))
    site = Site("in", Kind.NEURON, 2, (Cut("weight", 1),))
    x = torch.randn(64, 2)
    return model, site, [((x,), x @ torch.tensor(target)[:, None])]


def test_a_unit_that_helps_stays_open_and_one_that_harms_is_shut() -> None:
    model, site, batches = two_inputs([1.0, 0.8], [1.0, 0.0])
    found = trained_gates(model, Survey((site,), {}, {}, {}, ""), [site], batches, nn.functional.mse_loss, **HOW)["in"]
    assert found[0] > 0.75
    assert found[1] < 0.5


def test_of_two_that_say_the_same_the_loss_needs_one() -> None:
    """Each alone looks worth keeping; together they say it twice."""
    torch.manual_seed(0)
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.9]]))
    x = torch.randn(64, 1).expand(64, 2)
    site = Site("in", Kind.NEURON, 2, (Cut("weight", 1),))
    batches = [((x,), x[:, :1])]
    how = HOW | {"steps": 400}
    found = trained_gates(model, Survey((site,), {}, {}, {}, ""), [site], batches, nn.functional.mse_loss, **how)["in"]
    assert abs(found.sum().item() - 1.1) < 0.25


def test_the_model_its_gradients_and_the_random_state_are_left_alone_and_a_seed_says_the_same_twice() -> None:
    case = tiny_factors()
    before, state = copy.deepcopy(case.model.state_dict()), torch.get_rng_state()
    sites = [case.survey.site("user.id")]
    one, two = (trained_gates(case.model, case.survey, sites, case.batches, case.loss, **HOW) for _ in range(2))
    assert torch.equal(one["user.id"], two["user.id"])
    other = trained_gates(case.model, case.survey, sites, case.batches, case.loss, **(HOW | {"seed": 1}))
    assert not torch.equal(one["user.id"], other["user.id"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in case.model.state_dict().items())
    assert all(p.grad is None for p in case.model.parameters())
    assert torch.equal(state, torch.get_rng_state())


class Tied(nn.Module):
    """The table of the items is the matrix of the answers: (rows,) -> (rows, 7)."""

    def __init__(self) -> None:
        super().__init__()
        self.item, self.out = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        self.out.weight = self.item.weight

    def forward(self, item: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.item(item)))


@pytest.mark.parametrize("names", [("item",), ("out",), ("item", "out")])
def test_a_tied_weight_is_gated_under_each_of_its_names_and_once(names: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    model, rows = Tied(), torch.arange(7)
    site = Site("dim", Kind.DIM, 4, tuple(Cut(f"{name}.weight", 1) for name in names))
    survey = Survey((site,), {}, {}, {}, "", features=frozenset({"item.weight"}))
    gates = torch.tensor([1.0, 0.5, 0.0, 1.0])
    tensors = gated(model, survey, {"dim": gates})
    assert torch.equal(tensors["item.weight"], model.item.weight.detach() * gates)
    found = functional_call(model, tensors, (rows,), tie_weights=False)
    with torch.no_grad():
        model.item.weight.mul_(gates)
    assert torch.equal(found, model(rows))


def test_tied_weights_can_have_gates() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    site = Site("in", Kind.NEURON, 3, (Cut("0.weight", 1),))
    x = torch.randn(8, 3)
    found = trained_gates(
        model, Survey((site,), {}, {}, {}, ""), [site], [((x,), model(x).detach())], nn.functional.mse_loss, **HOW
    )
    assert found["in"].shape == (3,)
    assert model[1].weight is model[0].weight
