"""Chance is fair: the same shape as the plan, other units."""

from dataclasses import replace

import numpy as np
import pytest

from recprune.errors import BudgetError
from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.chance import drawn_alike
from recprune.recipe.prune import plan
from recprune.testing.cases import tiny_fields, tiny_item_item
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.tracing.site import Kind

SETTINGS = {"ease": {}, "mf": {"dim": 8}, "deepfm": {"dim": 4, "hidden": [8]}}


def planned(name, **said):
    split = tiny_clicks() if name == "deepfm" else tiny_split()
    return plan(build(name, split, **SETTINGS[name]), split, budget=Budget(**said))


@pytest.mark.parametrize("name", SETTINGS)
def test_as_many_units_of_every_site_leave_and_the_model_is_as_large(name):
    chosen = planned(name, factor=0.4, keep=0.3)
    drawn = drawn_alike(chosen, seed=1)
    assert {s: len(u) for s, u in drawn.kept.items()} == {s: len(chosen.kept[s]) for s in drawn.kept}
    assert drawn.account().to_dict() == chosen.account().to_dict()
    assert drawn.encodings == chosen.encodings
    assert any(not np.array_equal(drawn.kept[s], chosen.kept[s]) for s in drawn.kept)


def test_the_seed_draws_and_the_rule_names_it():
    chosen = planned("mf", factor=0.4)
    assert drawn_alike(chosen, 1) == drawn_alike(chosen, 1)
    assert drawn_alike(chosen, 1) != drawn_alike(chosen, 2)
    assert drawn_alike(chosen, 1).rule.endswith("Random(seed=1)")


def test_every_unit_leaves_as_often_as_any_other():
    chosen = planned("mf", factor=0.4, kinds=frozenset({Kind.DIM}))
    (name,) = chosen.kept
    counts = np.zeros(8)
    for seed in range(400):
        counts[drawn_alike(chosen, seed).kept[name]] += 1
    share = len(chosen.kept[name]) / 8
    assert np.abs(counts / 400 - share).max() < 5 * (share * (1 - share) / 400) ** 0.5


def test_fields_that_the_plan_took_leave_where_other_units_leave_too():
    """The field that a click model lives by is no straw man's to take."""
    case = tiny_fields()
    kept = {"city.field": np.empty(0, dtype=np.int64), "city.id": np.array([0, 1])}
    drawn = drawn_alike(Plan(case.survey, kept, Budget(0.5)), seed=3)
    assert len(drawn.kept["city.field"]) == 0
    assert "hour.field" not in drawn.kept
    assert len(drawn.kept["city.id"]) == 2


def test_where_only_fields_leave_others_do_and_never_the_same():
    case = tiny_fields()
    chosen = Plan(case.survey, {"city.field": np.empty(0, dtype=np.int64)}, Budget(0.5))
    for seed in range(5):
        assert list(drawn_alike(chosen, seed).kept) == ["hour.field"]
    with pytest.raises(BudgetError, match="no other choice"):
        drawn_alike(replace(chosen, budget=Budget(0.5, sites=frozenset({"city.field"}))))


def test_entries_that_are_stored_k_a_row_are_drawn_row_by_row():
    case = tiny_item_item()
    kept = {"items.entry": (np.arange(6)[:, None] * 6 + [0, 1]).ravel()}  # two of every row
    chosen = Plan(case.survey, kept, Budget(0.5), encodings={"items.weight": "top_entries(k=2)"})
    drawn = drawn_alike(chosen, seed=0)
    mask = np.zeros(36, dtype=bool)
    mask[drawn.kept["items.entry"]] = True
    assert mask.reshape(6, 6).sum(1).tolist() == [2] * 6
    assert drawn.account().bytes_after == chosen.account().bytes_after
    loose = drawn_alike(replace(chosen, encodings={"items.weight": "item_item"}), seed=0)
    assert len(loose.kept["items.entry"]) == 12
