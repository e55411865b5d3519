import pytest
import torch

from recprune.importance.means import by_mean_row, inputs_at_their_mean, rows_at_their_mean
from recprune.testing.cases import tiny_fields, tiny_mlp


@pytest.mark.parametrize("counts", [None, torch.tensor([0.0, 1, 2, 3, 4]), torch.ones(3)])
def test_inside_every_row_of_a_field_holds_the_mean_row_and_afterwards_its_own(counts) -> None:
    case = tiny_fields()
    table = case.model.table.weight.detach()
    before = table.clone()
    weights = torch.ones(5) if counts is None or len(counts) != 5 else counts
    mean = (before[:5] * weights[:, None]).sum(0) / weights.sum()
    with rows_at_their_mean(case.model, case.survey, case.survey.site("city.field"), counts):
        assert torch.allclose(table[:5], mean.expand(5, 2), atol=1e-6)
        assert torch.equal(table[5:], before[5:])
    assert torch.equal(table, before)


def test_rows_come_back_when_the_measurement_breaks() -> None:
    case = tiny_fields()
    before = case.model.table.weight.detach().clone()
    with (
        pytest.raises(ZeroDivisionError),
        rows_at_their_mean(case.model, case.survey, case.survey.site("hour.field"), None),
    ):
        raise ZeroDivisionError
    assert torch.equal(case.model.table.weight, before)


def test_what_is_not_looked_up_keeps_its_numbers() -> None:
    case = tiny_fields()
    site, answer = case.survey.site("city.field"), by_mean_row(None)
    table, _, last = site.cuts
    rows = case.model.table.weight.detach()
    assert torch.allclose(answer(rows, site, table, case.survey.features), rows[:5].mean(0).repeat(5)[None], atol=1e-6)
    column = answer(case.model.last.weight.detach(), site, last, case.survey.features)
    assert torch.equal(column.flatten(), case.model.last.weight.detach()[0, :2])


def test_a_layer_reads_the_mean_of_one_unit_alone_and_no_hook_stays() -> None:
    case = tiny_mlp()
    model, seen = case.model.eval(), []
    watch = model[3].register_forward_hook(lambda layer, args, out: seen.append(args[0]))
    (x,), _ = case.batches[0]
    with inputs_at_their_mean(model, case.survey.sites[0], 2, {"3.weight": torch.arange(6.0)}), torch.no_grad():
        model(x)
    with torch.no_grad():
        model(x)
    held, plain = seen
    assert held[:, 2].tolist() == [2.0] * len(x)
    others = [0, 1, 3, 4, 5]
    assert torch.equal(held[:, others], plain[:, others])
    watch.remove()
    assert not model[3]._forward_pre_hooks
