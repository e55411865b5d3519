"""Bytes that a plan leaves over go to bits."""

import numpy as np
import pytest
import torch

from recprune.planning.budget import Budget
from recprune.planning.filled import filled
from recprune.planning.plan import Plan
from recprune.planning.step import Step
from recprune.tracing.trace import survey

STEPS = [
    Step("item.weight", "int8_rows", 1.0, 30_000),
    Step("item.weight", "product_rows(m=8,b=8)", 2.0, 8_000),
    Step("item.weight", "product_rows(m=4,b=8)", 5.0, 8_000),
    Step("user.weight", "int8_rows", 0.6, 600),
    Step("user.weight", "int4_rows", 0.3, 100),
    Step("fc.weight", "int8_rows", 0.0, 100),
]
CHEAPEST = {"item.weight": "product_rows(m=4,b=8)", "user.weight": "int4_rows", "fc.weight": "int8_rows"}


class Three(torch.nn.Module):
    columns = ("user", "item")

    def __init__(self):
        super().__init__()
        self.user, self.item = torch.nn.Embedding(20, 16), torch.nn.Embedding(1000, 16)
        self.fc = torch.nn.Linear(16, 16, bias=False)

    def forward(self, user, item):
        return (self.fc(self.user(user)) * self.item(item)).sum(1)


@pytest.fixture(scope="module")
def found():
    torch.manual_seed(0)
    ids = torch.arange(5)
    return survey(Three(), (ids, ids))


def bytes_of(found, encodings):
    return Plan(found, {}, Budget(bytes=1), encodings=encodings).file_bytes()


def after(found, limit):
    plan = Plan(found, {}, Budget(bytes=limit), "rule", CHEAPEST)
    done = filled(plan, STEPS)
    assert done.file_bytes() <= limit
    assert (done.kept, done.rule, done.budget) == (plan.kept, "rule", plan.budget)
    return dict(done.encodings)


def test_without_room_nothing_changes(found):
    assert after(found, bytes_of(found, CHEAPEST)) == CHEAPEST


def test_groups_grow_where_the_step_before_is_of_another_kind(found):
    steps = [STEPS[0], Step("item.weight", "product_rows(m=4,b=8)", 5.0, 8_000)]
    limit = bytes_of(found, {"item.weight": "product_rows(m=6,b=8)"}) + 500
    plan = Plan(found, {}, Budget(bytes=limit), encodings={"item.weight": "product_rows(m=4,b=8)"})
    assert filled(plan, steps).encodings == {"item.weight": "product_rows(m=6,b=8)"}


@pytest.mark.parametrize("m", [5, 6, 7])
def test_groups_grow_as_far_as_there_is_room_for(found, m):
    wanted = {"item.weight": f"product_rows(m={m},b=8)", "fc.weight": "int8_rows"}
    assert after(found, bytes_of(found, wanted) + 100) == wanted


def test_the_dearest_step_is_taken_back_first_and_one_that_costs_nothing_never(found):
    assert after(found, bytes_of(found, {**CHEAPEST, "user.weight": "int8_rows"})) == {
        **CHEAPEST,
        "user.weight": "int8_rows",
    }
    whole = {"item.weight": "product_rows(m=8,b=8)", "fc.weight": "int8_rows"}
    assert after(found, bytes_of(found, whole)) == whole
    room = bytes_of(found, {"fc.weight": "int8_rows"})
    assert after(found, room) == {"fc.weight": "int8_rows"}
    assert after(found, 10**9) == {"fc.weight": "int8_rows"}


def test_a_step_before_that_no_longer_pays_leaves_what_is_left_of_a_tensor_as_floats(found):
    kept = {site.name: np.array([0]) for site in found.sites if any(c.tensor == "fc.weight" for c in site.cuts)}
    plan = Plan(found, kept, Budget(bytes=100_000), "rule", {"fc.weight": "int4_rows"})
    left = next(row.after for row in plan.account().rows if row.tensor == "fc.weight")
    assert left == (1, 1)
    steps = [Step("fc.weight", "int2_rotated_rows", 0.0, 900), Step("fc.weight", "int4_rows", 0.5, 50)]
    done = filled(plan, steps)
    assert done.encodings == {}
    assert done.file_bytes() <= 100_000
