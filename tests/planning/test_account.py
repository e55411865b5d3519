"""The account of what is stored: to the byte, also after cuts."""

import numpy as np
import pytest

from recprune.encodings.int4_rows import Int4Rows
from recprune.errors import ExtensionError, PlanError
from recprune.planning.account import packed, stored_size
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.testing.cases import tiny_factors, tiny_item_item


def test_scales_and_indices_are_counted_after_dims_and_rows_have_left():
    survey = tiny_factors().survey
    kept = {"user+item.dim": np.array([0, 2, 3]), "user.id": np.array([0, 4])}
    plan = Plan(survey, kept, Budget(0.0), encodings={"user.weight": "int4_rows", "item.weight": "fp16"})
    rows = {row.tensor: row for row in plan.account().rows}
    assert rows["user.weight"].after == (3, 3)
    assert rows["user.weight"].bytes_after == 3 * (2 + 2)
    assert rows["user.weight"].entries_after == 9
    items = survey.shapes["item.weight"][0]
    assert rows["item.weight"].bytes_after == items * 3 * 2
    assert rows["bias"].bytes_after == 4 * items
    plain = Plan(survey, kept, Budget(0.0)).account()
    assert plan.account().parameters_after == plain.parameters_after
    assert plan.account().bytes_after < plain.bytes_after


def test_the_fullest_row_says_how_many_entries_a_row_stores():
    survey = tiny_item_item().survey
    kept = {"items.entry": np.array([0, 7, 8, 9, 35])}
    plan = Plan(survey, kept, Budget(0.0), encodings={"items.weight": "top_entries"})
    assert {name: str(encoding) for name, encoding in plan.packed().items()} == {"items.weight": "top_entries(k=3)"}
    (row,) = [row for row in plan.account().rows if row.tensor == "items.weight"]
    assert (row.entries_after, row.bytes_after) == (6 * 3, 6 * 3 * (4 + 1))


def test_entries_cannot_leave_from_what_stores_them_all():
    kept = {"items.entry": np.array([0, 7])}
    plan = Plan(tiny_item_item().survey, kept, Budget(0.0), encodings={"items.weight": "int8_rows"})
    with pytest.raises(PlanError, match="int8_rows stores all of them"):
        plan.account()


def test_a_tensor_of_which_nothing_stays_is_not_packed():
    survey = tiny_factors().survey
    kept = {"user+item.dim": np.array([], dtype=np.int64)}
    plan = Plan(survey, kept, Budget(0.0), encodings={"user.weight": "int8_rows"})
    assert not plan.packed()
    (row,) = [row for row in plan.account().rows if row.tensor == "user.weight"]
    assert row.bytes_after == 0
    assert stored_size((0, 4), 0, 4, "int8_rows") == 0
    assert stored_size((7, 4), 28, 4, "int4_rows") == Int4Rows.stored_bytes((7, 4)) == 7 * 4


def test_encodings_and_tensors_that_there_are_not_are_refused():
    survey = tiny_factors().survey
    with pytest.raises(PlanError, match="no such tensor"):
        Plan(survey, {}, Budget(0.0), encodings={"nothing.weight": "int8_rows"})
    with pytest.raises(PlanError, match=r"stores matrices, and 'bias' is of shape"):
        packed(survey, {}, {"bias": "int8_rows"})
    with pytest.raises(ExtensionError, match="int8_rows"):
        packed(survey, {}, {"user.weight": "int8"})


def test_a_plan_with_encodings_comes_back_from_its_text():
    encodings = {"user.weight": "top_entries(k=2)", "item.weight": "int4_rotated_rows(seed=3)"}
    plan = Plan(tiny_factors().survey, {}, Budget(0.0), encodings=encodings)
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.account() == plan.account()
