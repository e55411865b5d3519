from dataclasses import replace

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


class OfDict(nn.Module):
    """The layers of another module, which read a dict, and a flag and nothing beside it."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, rows: dict[str, torch.Tensor], side: None, flag: bool) -> torch.Tensor:
        return self.inner(rows["x"])


def test_inputs_in_a_dict_beside_none_and_a_flag_score_as_those_by_themselves() -> None:
    case = tiny_mlp()
    (site,) = case.survey.sites
    nested = replace(site, cuts=tuple(replace(cut, tensor=f"inner.{cut.tensor}") for cut in site.cuts))
    batches = [(({"x": x}, None, True), target) for (x,), target in case.batches]
    probe = Probe(OfDict(case.model), Survey((nested,), {}, {}, {}, ""), batches, case.loss)
    plain = Probe(case.model, case.survey, case.batches, case.loss)
    for rule in (Fisher(), Fisher(passes=5)):
        assert torch.equal(rule(nested, probe), rule(site, plain))


class Bag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(9, 3, mode="sum")

    def forward(self, ids: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        return self.table(ids, offsets).square().sum(1)


def test_batches_that_cannot_be_parted_are_a_piece_each_and_one_alone_is_refused() -> None:
    torch.manual_seed(0)
    model, site = Bag(), Site("dim", Kind.DIM, 3, (Cut("table.weight", 1),))
    found, loss = Survey((site,), {}, {}, {}, ""), nn.functional.mse_loss
    batches = [((torch.randint(9, (6,)), torch.tensor(begin)), torch.randn(3)) for begin in ([0, 2, 3], [0, 0, 5])]
    shown = []
    for inputs, target in batches:
        (gradient,) = torch.autograd.grad(loss(model(*inputs), target), [model.table.weight])
        shown.append((gradient * model.table.weight.detach()).double().sum(0))
    mean, apart = (shown[0] + shown[1]) / 2, (shown[0] - shown[1]).square() / 2
    expected = 0.5 * (3 * apart * (1 - 1 / 6) + mean.square())
    assert torch.allclose(Fisher()(site, Probe(model, found, batches, loss)), expected, rtol=1e-5)
    with pytest.raises(SurveyError, match="cannot be parted") as error:
        Fisher()(site, Probe(model, found, batches[:1], loss))
    assert error.value.rows == 3


def test_a_batch_ends_a_piece() -> None:
    case, calls = tiny_mlp(), []

    def loss(output, target):
        calls.append(len(target))
        return case.loss(output, target)

    (site,) = case.survey.sites
    batches = [((x[i : i + 1],), y[i : i + 1]) for (x,), y in case.batches for i in range(len(y))]
    Fisher(passes=4)(site, Probe(case.model, case.survey, batches, loss))
    assert calls == [1] * len(batches)


def test_fewer_than_two_passes_are_refused() -> None:
    with pytest.raises(SurveyError) as error:
        Fisher(passes=1)
    assert error.value.passes == 1
