import copy

import pytest
import torch
from torch import nn

from recprune.errors import SurveyError
from recprune.importance.inputs import input_moments
from recprune.importance.probe import Probe
from recprune.testing.cases import Case, tiny_cases, tiny_factors, tiny_item_item, tiny_mlp
from recprune.tracing.site import FLAT, Cut, Kind, Site, Survey


def probe(case: Case, **changes) -> Probe:
    asked = {"batches": case.batches, "loss": case.loss, "counts": case.counts} | changes
    return Probe(case.model, case.survey, **asked)


def test_running_means_do_not_vote() -> None:
    asked = probe(tiny_mlp())
    assert asked.weights(Cut("1.running_mean", 0)).shape == (6, 0)
    assert asked.gradients(Cut("1.running_mean", 0)).shape == (6, 0)
    assert asked.weights(Cut("0.weight", 0)).shape == (6, 5)
    assert asked.gradients(Cut("3.weight", 1)).shape == (6, 1)


def test_millions_of_entries_are_lent_as_a_view() -> None:
    model = nn.Linear(1500, 1500, bias=False)
    cut = Cut("weight", FLAT)
    site = Site("entry", Kind.ENTRY, 1500 * 1500, (cut,))
    survey = Survey((site,), {"weight": (1500, 1500)}, {"weight": 4}, {}, "")
    lent = Probe(model, survey).weights(cut)
    assert lent.shape == (1500 * 1500, 1)
    assert lent.data_ptr() == model.weight.data_ptr()


def test_half_precision_is_lent_in_single() -> None:
    model = nn.Linear(3, 2).half()
    cut = Cut("weight", 0)
    survey = Survey((Site("n", Kind.NEURON, 2, (cut,)),), {}, {}, {}, "")
    assert Probe(model, survey).weights(cut).dtype == torch.float32


def test_a_cut_in_sites_of_unlike_size_needs_the_size() -> None:
    model = nn.Embedding(8, 3)
    cut = Cut("weight", 0)
    sites = (Site("a.id", Kind.ID, 5, (cut,)), Site("b.id", Kind.ID, 8, (cut,)))
    asked = Probe(model, Survey(sites, {}, {}, {}, ""))
    with pytest.raises(SurveyError, match="say the size"):
        asked.weights(cut)
    assert asked.weights(cut, 5).shape == (5, 3)
    with pytest.raises(SurveyError, match="no site"):
        asked.weights(Cut("weight", 1))


@pytest.mark.parametrize("case", tiny_cases(), ids=lambda case: case.name)
def test_loss_without_a_unit_equals_the_loss_of_a_model_that_lacks_it(case: Case) -> None:
    asked = probe(case)
    before = copy.deepcopy(case.model.state_dict())
    site = case.survey.sites[-1]
    lacking = copy.deepcopy(case.model).eval()
    tensors = {**dict(lacking.named_parameters()), **dict(lacking.named_buffers())}
    with torch.no_grad():
        for cut in site.cuts:
            if cut.dim == FLAT:
                tensors[cut.tensor].view(-1)[3] = 0
            elif site.kind is Kind.ID:
                tensors[cut.tensor][cut.start + 3] = tensors[cut.tensor][site.fallback]
            else:
                tensors[cut.tensor].select(cut.dim, 3).zero_()
        expected = sum(float(case.loss(lacking(*x), y)) for x, y in case.batches) / len(case.batches)
    assert asked.loss_without(site, 3) == pytest.approx(expected, rel=1e-6)
    assert asked.loss_without(site, 3) != pytest.approx(asked.loss, rel=1e-6)
    assert all(torch.equal(tensor, before[name]) for name, tensor in case.model.state_dict().items())


def test_an_exception_in_the_loss_leaves_the_model_as_it_was() -> None:
    case = tiny_mlp()
    before = copy.deepcopy(case.model.state_dict())

    def broken(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        probe(case, loss=broken).loss_without(case.survey.sites[0], 1)
    assert case.model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in case.model.state_dict().items())


def test_any_metric_of_the_whole_model_can_take_the_place_of_the_loss() -> None:
    case = tiny_mlp()
    modes = []

    def size_of_first_layer(model: nn.Module) -> float:
        modes.append(model.training)
        return float(model[0].weight.detach().abs().sum())

    asked = probe(case, batches=(), loss=None, metric=size_of_first_layer)
    fall = asked.loss - asked.loss_without(case.survey.sites[0], 4)
    assert fall == pytest.approx(float(case.model[0].weight[4].detach().abs().sum()), rel=1e-5)
    assert modes == [False, False]
    assert asked.passes == 1


def test_everything_is_computed_once() -> None:
    case = tiny_item_item()
    calls = []

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return nn.functional.mse_loss(output, target)

    asked = probe(case, loss=loss)
    asked.gradients(Cut("items.weight", FLAT))
    asked.taylor(case.survey.sites[0])
    asked.gradients(Cut("items.weight", FLAT))
    assert len(calls) == len(case.batches)
    assert asked.input_squares("items.weight") is asked.input_squares("items.weight")


def test_means_and_mean_squares_of_the_inputs_are_over_all_rows_of_all_batches() -> None:
    model = nn.Sequential(nn.ReLU(), nn.Linear(3, 2))
    a, b = torch.randn(4, 3), torch.randn(2, 5, 3)
    means, squares = input_moments(model, "1.weight", [((a,), a), ((b,), b)])
    rows = torch.cat([a, b.reshape(-1, 3)]).relu().double()
    assert torch.allclose(means, rows.mean(0))
    assert torch.allclose(squares, rows.square().mean(0))
    assert not model[1]._forward_pre_hooks


def test_inputs_of_a_table_are_not_known() -> None:
    case = tiny_factors()
    with pytest.raises(SurveyError, match="taylor or magnitude") as error:
        probe(case).input_squares("user.weight")
    assert error.value.tensor == "user.weight"


def test_counts_follow_the_code_of_a_unit() -> None:
    case = tiny_factors()
    assert probe(case).counts(case.survey.site("user.id")).tolist() == [1, 3, 1, 1, 1, 1]
    assert probe(case, counts={}).counts(case.survey.site("user.id")) is None


def test_counts_of_a_field_in_a_merged_table_begin_after_its_own_fallback_row() -> None:
    model = nn.Embedding(9, 2)
    city = Site("city.id", Kind.ID, 3, (Cut("weight", 0, start=6),), column="city", fallback=5)
    survey = Survey((city,), {}, {}, {}, "", features=frozenset({"weight"}))
    assert Probe(model, survey, counts={"city": torch.tensor([9, 4, 5, 6])}).counts(city).tolist() == [4, 5, 6]
    with pytest.raises(SurveyError) as error:
        Probe(model, survey, counts={"city": torch.tensor([9, 4])}).counts(city)
    assert error.value.column == "city"


def test_a_survey_of_another_model_is_refused() -> None:
    case = tiny_mlp()
    with pytest.raises(SurveyError, match="another model") as error:
        Probe(nn.Sequential(nn.Linear(5, 7)), case.survey)
    assert error.value.tensor == "0.weight"


@pytest.mark.parametrize("missing", ["batches", "loss"])
def test_a_rule_that_needs_data_says_what_is_missing(missing: str) -> None:
    case = tiny_mlp()
    with pytest.raises(SurveyError, match=f"give the probe {missing}"):
        _ = probe(case, **{missing: () if missing == "batches" else None}).loss


def test_a_tensor_by_itself_is_the_only_argument() -> None:
    case = next(case for case in tiny_cases() if len(case.batches[0][0]) == 1)
    alone = [(inputs[0], target) for inputs, target in case.batches]
    site = case.survey.sites[0]
    assert torch.equal(probe(case, batches=alone).taylor(site), probe(case).taylor(site))


@pytest.mark.parametrize("batch", [({"x": torch.ones(3)}, torch.ones(3)), (torch.ones(3), (1, 2)), (1, 2, 3), ()])
def test_a_batch_of_another_kind_is_refused(batch: tuple[object, ...]) -> None:
    with pytest.raises(SurveyError, match="a batch is"):
        probe(tiny_mlp(), batches=[batch])


def test_rows_that_every_look_up_makes_shorter_are_as_they_were_afterwards() -> None:
    class Short(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.out = nn.Embedding(6, 4, max_norm=1.0), nn.Linear(4, 1)
            nn.init.constant_(self.table.weight, 2.0)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.out(self.table(ids)).squeeze(1)

    model, ids = Short(), torch.arange(6)
    cuts = (Cut("table.weight", 1), Cut("out.weight", 1))
    found = Survey((Site("table.dim", Kind.DIM, 4, cuts),), {"table.weight": (6, 4), "out.weight": (1, 4)}, {}, {}, "")
    asked = Probe(model, found, [((ids,), torch.ones(6))], nn.functional.mse_loss)
    before = copy.deepcopy(model.state_dict())
    assert asked.loss > 0
    assert len(asked.taylor(found.sites[0])) == 4
    asked.loss_without(found.sites[0], 1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
