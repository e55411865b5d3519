"""Inputs of any shape have names, and come back as they were."""

from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked, renumber, shrink_inputs
from recprune.tracing.inputs import changed, laid_flat, recoded
from recprune.tracing.trace import survey


@dataclass
class Batch:
    user: Tensor
    note: str


Pair = namedtuple("Pair", "left right")


def test_every_tensor_has_the_name_of_its_key_or_its_place():
    x = torch.arange(3)
    example = (x, {"city": x, "more": [x, "no tensor"]}, Batch(x, "a"), Pair(x, x), None)
    assert list(laid_flat(example)) == ["input0", "city", "input1.more.0", "user", "input3.0", "input3.1"]
    assert list(laid_flat({"city": x, "batch": Batch(x, "a")})) == ["city", "user"]
    assert list(laid_flat(({"id": x}, {"id": x}))) == ["input0.id", "input1.id"]


def test_as_many_columns_as_tensors_are_their_names():
    assert list(laid_flat((torch.ones(1), {"a": torch.ones(1)}), ["user", "item"])) == ["user", "item"]


def test_a_nest_comes_back_with_everything_that_was_no_tensor():
    example = ({"a": torch.zeros(2), "n": 3}, [torch.zeros(2), None], Batch(torch.zeros(2), "note"), Pair(1, 2))
    new = changed(example, lambda name, value: value + 1)
    assert new[0]["n"] == 3
    assert new[1][1] is None
    assert new[2].note == "note"
    assert new[3] == Pair(1, 2)
    assert all(bool((x == 1).all()) for x in laid_flat(new).values())


def test_a_column_that_left_is_no_argument_any_more():
    new = recoded([torch.zeros(2), torch.ones(2)], {}, ["a", "b"], gone={"a"})
    assert len(new) == 1
    assert bool((new[0] == 1).all())


def test_a_column_of_a_matrix_gets_its_own_codes():
    got = recoded({"x": torch.tensor([[1.0, 1.0], [2.0, 2.0]])}, {"x.1": np.array([0, 0, 1])})
    assert got["x"].tolist() == [[1.0, 0.0], [2.0, 1.0]]


class Shared(nn.Module):
    """The candidate and the past share one table and one vocabulary; 0 is no item."""

    def __init__(self) -> None:
        super().__init__()
        self.item, self.out = nn.Embedding(8, 4, padding_idx=0), nn.Linear(8, 1)

    def forward(self, item: Tensor, past: Tensor) -> Tensor:
        there = (past > 0).unsqueeze(-1)
        pooled = (self.item(past) * there).sum(1) / there.sum(1).clamp(min=1)
        return self.out(torch.cat([self.item(item), pooled], 1))


def test_ids_leave_all_columns_that_share_a_table():
    torch.manual_seed(0)
    model, example = Shared().eval(), (torch.tensor([1, 2, 7]), torch.tensor([[3, 0], [5, 1], [6, 7]]))
    found = survey(model, example)
    site = found.site("input0+input1.id")
    assert site.columns == ("input0", "input1")
    plan = Plan(found, {site.name: np.array([0, 2, 4])}, Budget(0.1))
    codes = renumber(plan)
    assert codes["input0"].tolist() == codes["input1"].tolist() == [0, 1, 0, 2, 0, 3, 0, 0]
    small = apply(model, Plan.from_json(plan.to_json()), example)
    assert small.item.weight.shape == (4, 4)
    with torch.no_grad():
        wanted, got = masked(model, plan)(*example), small(*shrink_inputs(plan, example))
    torch.testing.assert_close(got, wanted)


def test_an_id_that_left_is_hidden_by_a_mask_of_nothing():
    model = Shared().eval()
    found = survey(model, (torch.tensor([1, 2]), torch.tensor([[3, 2], [5, 1]])))
    plan = Plan(found, {"input0+input1.id": np.arange(6)}, Budget(0.1))  # item 7 leaves
    item = torch.tensor([1])
    with torch.no_grad():
        got = masked(model, plan)(item, torch.tensor([[3, 7]]))
        torch.testing.assert_close(got, model(item, torch.tensor([[3, 0]])))


def test_names_given_to_the_survey_hold_for_all_that_comes_after():
    torch.manual_seed(1)
    model, example = Shared().eval(), (torch.tensor([1, 2, 7]), torch.tensor([[3, 0], [5, 1], [6, 7]]))
    found = survey(model, example, ["candidate", "history"])
    assert found.columns == ("candidate", "history")
    site = found.site("candidate+history.id")
    plan = Plan.from_json(Plan(found, {site.name: np.array([0, 2, 4])}, Budget(0.1)).to_json())
    assert plan.survey == found
    small = apply(model, plan, example)
    inputs = (torch.tensor([7, 1, 4]), torch.tensor([[3, 7], [5, 1], [2, 7]]))
    with torch.no_grad():
        torch.testing.assert_close(small(*shrink_inputs(plan, inputs)), masked(model, plan)(*inputs))
