import pytest
import torch
from torch import nn

from recprune.errors import SurveyError
from recprune.importance.passes import as_it_was, gradient_passes, pieces, row_losses, rows_of, shares
from recprune.testing.cases import tiny_fields, tiny_mlp


@pytest.mark.parametrize("most", [1, 3, 7, 24, 1000])
def test_pieces_hold_all_rows_in_order(most: int) -> None:
    case = tiny_mlp()
    parts = pieces(case.model, case.batches, most)
    assert all(rows_of(part) <= max(-(-24 // most), 1) for part in parts)
    assert torch.equal(torch.cat([x for (x,), _ in parts]), torch.cat([x for (x,), _ in case.batches]))
    assert torch.equal(torch.cat([y for _, y in parts]), torch.cat([y for _, y in case.batches]))


def test_a_target_of_one_number_is_one_row_and_stays_whole() -> None:
    batch = ((torch.ones(4, 2),), torch.tensor(1.0))
    assert rows_of(batch) == 1
    assert pieces(nn.Identity(), [batch], 10) == [batch]
    assert shares([batch, ((torch.ones(3, 2),), torch.ones(3))]) == [0.25, 0.75]


class Nested(nn.Module):
    """A dict, flags and a number that is for all rows."""

    def forward(self, rows: dict[str, torch.Tensor], side: None, scale: torch.Tensor, flag: bool) -> torch.Tensor:
        return rows["x"][0].sum(1) * scale


def test_tensors_of_a_nest_are_parted_and_all_else_goes_to_every_piece() -> None:
    x, y, scale = torch.arange(12.0).reshape(6, 2), torch.arange(6.0), torch.tensor(2.0)
    parts = pieces(Nested(), [(({"x": [x]}, None, scale, True), y)], 3)
    assert [inputs[1:] for inputs, _ in parts] == [(None, scale, True)] * 3
    assert torch.equal(torch.stack([inputs[0]["x"][0] for inputs, _ in parts]), x.reshape(3, 2, 2))
    assert torch.equal(torch.stack([target for _, target in parts]), y.reshape(3, 2))


@pytest.mark.parametrize("offsets", [[0, 3, 6], [0, 0, 0, 4, 4, 4, 4, 4, 4], list(range(9))])
def test_a_batch_with_offsets_into_a_list_of_ids_stays_whole(offsets: list[int]) -> None:
    bag = nn.EmbeddingBag(10, 2, mode="sum")
    batch = ((torch.arange(1, 10), torch.tensor(offsets)), torch.zeros(len(offsets)))
    parts = pieces(bag, [batch, batch], 6)
    assert [part is batch for part in parts] == [True, True]
    assert bag.training


def test_a_batch_without_rows_is_no_piece() -> None:
    none = ((torch.ones(0, 2),), torch.ones(0))
    assert pieces(nn.Identity(), [none], 10) == []
    assert len(pieces(nn.Identity(), [none, ((torch.ones(3, 2),), torch.ones(3))], 10)) == 3


def test_every_pass_notes_the_gradients_that_backward_gives() -> None:
    case, seen = tiny_mlp(), []
    gradient_passes(case.model, case.batches, case.loss, lambda batch, now: seen.append(dict(now)))
    model = case.model.eval()
    for (inputs, target), now in zip(case.batches, seen, strict=True):
        model.zero_grad()
        case.loss(model(*inputs), target).backward()
        for parameter in model.parameters():
            assert torch.allclose(now[id(parameter)], parameter.grad, atol=1e-6)


def test_a_parameter_that_no_gradient_reaches_is_not_noted() -> None:
    model = nn.ModuleDict({"used": nn.Linear(2, 1), "idle": nn.Linear(2, 1)})
    model.forward = lambda x: model["used"](x)
    seen = []
    batches = [((torch.ones(1, 2),), torch.ones(1, 1))]
    gradient_passes(model, batches, nn.functional.mse_loss, lambda batch, now: seen.append(set(now)))
    assert seen == [{id(p) for p in model["used"].parameters()}]


def test_losses_of_rows_are_those_of_batches_of_one() -> None:
    case = tiny_fields()
    inputs, target = case.batches[0]
    with torch.no_grad():
        output = case.model(*inputs)
    expected = [float(case.loss(output[n : n + 1], target[n : n + 1])) for n in range(len(target))]
    assert row_losses(output, target, case.loss).tolist() == pytest.approx(expected, rel=1e-5)


def test_flags_and_gradients_come_back() -> None:
    case = tiny_mlp()
    case.model[0].weight.requires_grad_(False)
    case.model[3].weight.grad = kept = torch.ones(1, 6)
    with as_it_was(case.model):
        assert not case.model.training
        case.model[0].weight.requires_grad_(True)
        case.model[3].weight.grad = None
    assert case.model.training
    assert not case.model[0].weight.requires_grad
    assert case.model[3].weight.grad is kept


def test_a_loss_of_many_numbers_is_refused() -> None:
    case = tiny_mlp()
    with pytest.raises(SurveyError, match="one number"):
        gradient_passes(case.model, case.batches, lambda output, target: output - target, lambda batch, now: None)
