import copy

import pytest
import torch
from torch import nn

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.field_mean import FieldMean
from recprune.importance.rules.mse_increase import MseIncrease
from recprune.testing.cases import tiny_factors, tiny_fields, tiny_item_item, tiny_mlp
from recprune.tracing.site import FLAT, Cut, Kind, Site, Survey


def probe_of(case, **changes) -> Probe:
    asked = {"batches": case.batches, "loss": case.loss, "counts": case.counts} | changes
    return Probe(case.model, case.survey, **asked)


def losses(model, case) -> float:
    with torch.no_grad():
        return sum(float(case.loss(model(*x), y)) for x, y in case.batches) / len(case.batches)


def test_a_field_is_worth_the_rise_when_all_its_rows_are_the_mean_row() -> None:
    case = tiny_fields()
    for name, rows in (("city", slice(0, 5)), ("hour", slice(5, 9))):
        lacking = copy.deepcopy(case.model).eval()
        weights = case.counts[name].float()[:, None]
        with torch.no_grad():
            part = lacking.table.weight[rows]
            lacking.table.weight[rows] = (part * weights).sum(0) / weights.sum()
        expected = losses(lacking, case) - losses(copy.deepcopy(case.model).eval(), case)
        assert FieldMean()(case.survey.site(f"{name}.field"), probe_of(case)).item() == pytest.approx(
            expected, abs=1e-6
        )


def test_a_field_whose_rows_are_large_and_alike_is_worth_nothing() -> None:
    case = tiny_fields()
    with torch.no_grad():
        case.model.table.weight[:5] = 30.0
    worth = FieldMean()(case.survey.site("city.field"), probe_of(case)).item()
    assert abs(worth) < 1e-6
    assert abs(MseIncrease()(case.survey.site("city.field"), probe_of(case)).item()) > 1


def test_an_id_is_answered_by_the_mean_row_of_its_column() -> None:
    case = tiny_fields()
    site = case.survey.site("city.id")
    assert torch.equal(FieldMean()(site, probe_of(case)), probe_of(case).rise_without_ids(site))


def test_a_neuron_is_worth_the_rise_when_the_next_layer_reads_its_mean() -> None:
    case = tiny_mlp()
    model = case.model.eval()
    with torch.no_grad():
        hidden = [model[:3](x) for (x,), _ in case.batches]
        mean = torch.cat(hidden).mean(0)
        for unit, worth in enumerate(FieldMean()(case.survey.sites[0], probe_of(case)).tolist()):
            total = 0.0
            for h, (_, y) in zip(hidden, case.batches, strict=True):
                held = h.clone()
                held[:, unit] = mean[unit]
                total += float(case.loss(model[3](held), y)) - float(case.loss(model[3](h), y))
            assert worth == pytest.approx(total / len(hidden), abs=1e-4)


def test_an_entry_is_worth_its_square_times_the_variance_of_its_input_which_a_bias_would_leave_over() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    x = torch.randn(500, 3) + torch.tensor([5.0, 0.0, -2.0])
    site = Site("entry", Kind.ENTRY, 6, (Cut("weight", FLAT),))
    probe = Probe(model, Survey((site,), {}, {}, {}, ""), [((x,), model(x).detach())], nn.functional.mse_loss)
    worth = FieldMean()(site, probe).reshape(2, 3)
    for i in range(2):
        for j in range(3):
            change = model.weight[i, j].detach() * (x[:, j] - x[:, j].mean())
            assert worth[i, j].item() == pytest.approx(float(change.double().square().mean()), rel=1e-4)


def test_to_first_order_a_linear_loss_is_estimated_exactly() -> None:
    case = tiny_fields()

    def loss(output, target):
        return (output * (target - 0.3)).mean()

    site = case.survey.site("city.field")
    exact = 0.0
    for batch in case.batches:
        exact += abs(FieldMean()(site, probe_of(case, batches=[batch], loss=loss)).item()) / len(case.batches)
    estimated = FieldMean(first_order=True)(site, probe_of(case, loss=loss)).item()
    assert estimated == pytest.approx(exact, rel=1e-4)


def test_to_first_order_ids_are_compared_with_the_mean_row_and_not_with_the_fallback() -> None:
    case = tiny_fields()
    with torch.no_grad():
        case.model.table.weight[1:5] = torch.tensor([2.0, -1.0])
    worth = FieldMean(first_order=True)(case.survey.site("city.id"), probe_of(case))
    assert worth.abs().max() < 1e-6


def test_units_whose_mean_is_not_known_are_refused_with_the_site() -> None:
    case = tiny_factors()
    with pytest.raises(SurveyError) as error:
        FieldMean()(case.survey.site("user+item.dim"), probe_of(case))
    assert error.value.site == "user+item.dim"
    for refused in (tiny_mlp(), tiny_item_item()):
        with pytest.raises(SurveyError, match="first-order estimate is of fields and ids"):
            FieldMean(first_order=True)(refused.survey.sites[0], probe_of(refused))
    mlp = tiny_mlp()
    with pytest.raises(SurveyError) as error:
        FieldMean(limit=17)(mlp.survey.sites[0], probe_of(mlp))
    assert error.value.limit == 17
