"""choose: the budget is met to within one unit, or refused with what stands in the way."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from recprune.errors import BudgetError, PlanError
from recprune.evaluation.inputs import example
from recprune.models.build import build
from recprune.models.ease import Ease
from recprune.models.mf import MF
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.costs import unit_costs
from recprune.planning.plan import Plan
from recprune.testing.data import tiny_clicks
from recprune.tracing.site import Kind, Survey
from recprune.tracing.trace import survey


def mlp() -> Survey:
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3))
    return survey(model, (torch.rand(2, 6),))


def scores(found: Survey, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {s.name: torch.rand(s.size, generator=generator) for s in found.sites}


@settings(max_examples=40, deadline=None)
@given(factor=st.floats(0, 0.7), seed=st.integers(0, 1000))
def test_the_factor_is_met_to_within_one_unit(factor: float, seed: int):
    found = mlp()
    plan = choose(found, scores(found, seed), Budget(factor))
    share = plan.account().share_removed
    total = plan.account().parameters_before
    largest = max(unit_costs(found, s) for s in found.sites)
    assert factor - 1e-9 <= share < factor + largest / total + 1e-9


@settings(max_examples=20, deadline=None)
@given(small=st.floats(0, 0.7), more=st.floats(0, 0.7), multiple=st.sampled_from([1, 4]))
def test_a_larger_factor_removes_what_a_smaller_one_removed_and_more(small: float, more: float, multiple: int):
    found = mlp()
    low, high = sorted((small, more))
    first, second = (choose(found, scores(found), Budget(f, multiple=multiple)) for f in (low, high))
    for site in found.sites:
        assert set(second.units(site)) <= set(first.units(site))


def test_ties_are_broken_by_unit_number():
    found = mlp()
    even = {s.name: torch.ones(s.size) for s in found.sites}
    plan = choose(found, even, Budget(0.2))
    for site in found.sites:
        gone = plan.leaving(site)
        assert gone.tolist() == list(range(len(gone)))


def test_kept_widths_are_multiples_and_floors_hold():
    found = mlp()
    plan = choose(found, scores(found), Budget(0.5, floor=3, multiple=4))
    assert all(len(plan.units(s)) % 4 == 0 and len(plan.units(s)) >= 4 for s in found.sites)


def test_no_site_falls_below_the_share_to_keep():
    found = mlp()
    plan = choose(
        found, {s.name: torch.full((s.size,), float(i)) for i, s in enumerate(found.sites)}, Budget(0.4, keep=0.5)
    )
    assert all(len(plan.units(s)) >= s.size / 2 for s in found.sites)
    with pytest.raises(BudgetError, match="no share"):
        Budget(0.1, keep=2)


def test_only_the_kinds_and_sites_that_are_allowed_leave():
    found = mlp()
    plan = choose(found, scores(found), Budget(0.2, sites=frozenset({"2.neuron"})))
    assert list(plan.kept) == ["2.neuron"]
    with pytest.raises(BudgetError, match="allow more kinds than"):
        choose(found, scores(found), Budget(0.2, kinds=frozenset({Kind.DIM})))


@pytest.mark.parametrize("factor", [-0.1, 1.5, math.nan, math.inf, True, "0.5", None])
def test_a_factor_that_is_no_share_is_refused(factor: object):
    with pytest.raises(BudgetError):
        Budget(factor)  # type: ignore[arg-type]


def test_a_budget_below_one_unit_a_site_says_what_stands_in_the_way():
    found = mlp()
    with pytest.raises(BudgetError, match="at most 0") as caught:
        choose(found, scores(found), Budget(1.0))
    assert 0 < caught.value.reachable < 1


def test_scores_that_are_not_finite_are_refused_by_name():
    found = mlp()
    bad = scores(found) | {"0.neuron": torch.full((16,), math.nan)}
    with pytest.raises(BudgetError, match=r"'0\.neuron'"):
        choose(found, bad, Budget(0.1))


def test_entries_leave_through_the_encoding_and_the_account_counts_indices():
    found = survey(nn.Linear(50, 50, bias=False), (torch.rand(2, 50),))
    plan = choose(found, {"entry": torch.rand(2500)}, Budget(0.9))
    account = plan.account()
    assert plan.encodings == {"weight": "item_item"}
    assert account.parameters_after == 250
    assert account.bytes_after == 250 * (4 + 2) + 51 * 4


def test_a_plan_comes_back_from_json_as_it_was():
    found = mlp()
    plan = choose(found, scores(found), Budget(0.3, kinds=frozenset({Kind.NEURON})), rule="random")
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.account() == plan.account()
    large = survey(nn.Linear(300, 300, bias=False), (torch.rand(2, 300),))
    plan = choose(large, {"entry": torch.rand(90_000)}, Budget(0.9))
    assert Plan.from_json(plan.to_json()) == plan


def test_units_are_written_as_runs_or_where_there_are_many_as_a_bit_each():
    found = survey(MF(3_000, 4_000, 8), (torch.arange(2),))
    site = next(s for s in found.sites if s.kind is Kind.ID)
    for units in (np.arange(5, 900), np.sort(np.random.default_rng(0).permutation(site.size)[:1500]), np.arange(0)):
        plan = Plan(found, {site.name: units}, Budget(0.0))
        text = plan.to_json(indent=None)
        assert "\n" not in text
        assert np.array_equal(Plan.from_json(text).units(site), units)
        assert ("bits:" in text) == (len(units) == 1500)
        assert len(text) < 3_000


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', "null", '{"format": 1, "survey": 3}'])
def test_text_that_is_no_plan_is_refused(text: str):
    with pytest.raises(PlanError):
        Plan.from_json(text)


def test_units_that_a_site_does_not_have_are_refused():
    found = mlp()
    with pytest.raises(PlanError, match=r"0\.neuron"):
        Plan(found, {"0.neuron": torch.tensor([0, 16]).numpy()}, Budget(0))
    with pytest.raises(PlanError, match="no site"):
        Plan(found, {"nowhere": torch.tensor([0]).numpy()}, Budget(0))


PADDING = 16
"""Bytes by which a header may be longer, for it is filled up to a multiple of eight."""


@settings(max_examples=30, deadline=None)
@given(limit=st.integers(1000, 1900), seed=st.integers(0, 1000))
def test_bytes_are_met_to_within_one_unit(limit: int, seed: int):
    found = mlp()
    plan = choose(found, scores(found, seed), Budget(bytes=limit))
    largest = max(unit_costs(found, s) for s in found.sites) * 4
    assert limit - largest - PADDING < plan.file_bytes() <= limit


def test_a_model_that_is_small_enough_keeps_everything():
    found = mlp()
    assert not choose(found, scores(found), Budget(bytes=10**6)).kept


def test_an_entry_that_leaves_is_counted_with_the_indices_of_those_that_stay():
    found = survey(Ease(30), (torch.rand(2, 30),))
    plan = choose(found, scores(found), Budget(bytes=1200, kinds=frozenset({Kind.ENTRY})))
    assert plan.encodings == {"items.weight": "item_item"}
    assert 1200 - 6 - PADDING < plan.file_bytes() <= 1200


def test_too_few_bytes_are_refused_with_the_least_there_can_be():
    found = mlp()
    with pytest.raises(BudgetError, match="at least") as caught:
        choose(found, scores(found), Budget(bytes=10))
    least = caught.value.reachable
    assert choose(found, scores(found), Budget(bytes=least)).file_bytes() == least


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0, 0.6))
def test_the_work_of_a_row_falls_by_the_share(share: float):
    found = mlp()
    plan = choose(found, scores(found), Budget(milliseconds=1.0), work=share)
    account = plan.account()
    assert account.parameters_after <= (1 - share) * account.parameters_before + 1e-9


def test_ids_do_not_leave_to_save_work():
    model = nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    found = survey(model, (torch.arange(5),))
    even = {s.name: torch.ones(s.size) for s in found.sites}
    plan = choose(found, even, Budget(milliseconds=1.0), work=0.4)
    assert all(s.kind is not Kind.ID for s in found.sites if s.name in plan.kept)


def test_a_large_field_does_not_leave_for_the_last_few_entries():
    split = tiny_clicks()
    model = build("deepfm", split, dim=8, hidden=(16,)).eval()
    found = survey(model, example(model, split))
    fields = [s for s in found.sites if s.kind is Kind.FIELD]
    largest = max(fields, key=lambda s: unit_costs(found, s))
    told = {s.name: torch.full((s.size,), 2.0 * unit_costs(found, s)) for s in found.sites}
    told[largest.name] = torch.full((1,), 1.0 * unit_costs(found, largest))
    total = sum(r.entries_before for r in choose(found, told, Budget(0.0)).account().rows if r.learned)
    little = choose(found, told, Budget(10 / total))
    assert len(little.units(largest)) == 1
    much = choose(found, told, Budget(unit_costs(found, largest) / total))
    assert len(much.units(largest)) == 0


def test_fields_without_a_score_count_among_those_that_stay():
    split = tiny_clicks()
    model = build("deepfm", split, dim=8, hidden=(16,)).eval()
    found = survey(model, example(model, split))
    fields = [s.name for s in found.sites if s.kind is Kind.FIELD]
    told = dict.fromkeys(fields[:1], torch.ones(1))
    assert len(choose(found, told, Budget(1e-6)).kept[fields[0]]) == 0
    assert len(choose(found, told, Budget(1e-6, keep=1 - 1 / len(fields))).kept[fields[0]]) == 0
    with pytest.raises(BudgetError):
        choose(found, told, Budget(1e-6, keep=1.0))


def test_an_encoding_that_saves_nothing_after_the_cut_is_left_out():
    model = nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 40), nn.ReLU(), nn.Linear(40, 1))
    found = survey(model, (torch.arange(5),))
    even = {s.name: torch.ones(s.size) for s in found.sites if s.kind is not Kind.ID}
    named = {"0.weight": "top_entries(k=3)", "1.weight": "int8_rows"}
    whole = choose(found, even, Budget(0.0), encodings=named)
    assert dict(whole.encodings) == named
    cut = choose(found, {n: s for n, s in even.items() if "dim" in n}, Budget(0.55), encodings=named)
    plain = {r.tensor: r.entries_after * 4 for r in cut.account().rows}
    sizes = {r.tensor: r.bytes_after for r in cut.account().rows}
    assert all(sizes[name] < plain[name] for name in cut.encodings)
    assert "0.weight" not in cut.encodings


def item_item(n: int = 9) -> Survey:
    return survey(Ease(n), (torch.rand(2, n),))


@settings(max_examples=30, deadline=None)
@given(factor=st.floats(0, 0.98), worths=st.integers(1, 40), seed=st.integers(0, 99))
def test_the_cheapest_entries_of_a_matrix_leave_and_of_equal_ones_the_first(factor: float, worths: int, seed: int):
    found = item_item()
    worth = torch.randint(worths, (81,), generator=torch.Generator().manual_seed(seed)).float()
    plan = choose(found, {"items.entry": worth}, Budget(factor))
    count = math.ceil(factor * 81 - 1e-9)
    order = sorted(range(81), key=lambda entry: (float(worth[entry]), entry))
    assert plan.units(found.sites[0]).tolist() == sorted(order[count:])


@pytest.mark.parametrize("encoding", ["item_item", "item_bytes"])
def test_as_many_entries_stay_as_fit_the_bytes(encoding: str):
    found = item_item(40)
    worth = {"items.entry": torch.rand(1600, generator=torch.Generator().manual_seed(0))}
    for limit in (1500, 2000, 3000):
        plan = choose(found, worth, Budget(bytes=limit), encodings={"items.weight": encoding})
        stay = len(plan.units(found.sites[0]))
        size = {"item_item": 6, "item_bytes": 2}[encoding]
        assert plan.encodings == {"items.weight": encoding}
        assert limit - size - PADDING < plan.file_bytes() <= limit
        assert stay == plan.account().parameters_after


def test_a_matrix_of_entries_says_what_stands_in_the_way():
    found = item_item()
    worth = {"items.entry": torch.rand(81)}
    with pytest.raises(BudgetError) as caught:
        choose(found, worth, Budget(bytes=30))
    assert caught.value.reachable == choose(found, worth, Budget(bytes=caught.value.reachable)).file_bytes()
    with pytest.raises(BudgetError, match="finite"):
        choose(found, {"items.entry": torch.full((81,), torch.nan)}, Budget(0.5))


def test_what_is_worth_less_than_nothing_leaves_beyond_the_budget_where_it_is_spare():
    split = tiny_clicks()
    model = build("deepfm", split, dim=4, hidden=(8,))
    found = survey(model, example(model, split))
    ids = {s.name: torch.linspace(-1, 2, s.size) for s in found.sites if s.kind is Kind.ID}
    roomy, tight = Budget(bytes=10**6), Budget(bytes=2_000)
    assert not choose(found, ids, roomy).kept
    kept = choose(found, ids, roomy, spare={Kind.ID}).kept
    assert {name: set(units) for name, units in kept.items()} == {
        name: set(np.flatnonzero(worth.numpy() >= 0)) for name, worth in ids.items()
    }
    assert not choose(found, ids, roomy, spare={Kind.DIM}).kept
    left = choose(found, ids, tight).kept
    assert {name: units.tolist() for name, units in left.items()} == {
        name: units.tolist() for name, units in choose(found, ids, tight, spare={Kind.ID}).kept.items()
    }


def test_a_site_that_there_is_not_is_named():
    found = mlp()
    with pytest.raises(BudgetError, match=r"no site is called '0\.neurons'"):
        choose(found, scores(found), Budget(0.5, sites=frozenset({"0.neurons"})))


def test_scores_may_be_arrays_or_carry_gradients():
    found = mlp()
    plan = choose(found, scores(found), Budget(0.5))
    assert choose(found, {n: x.numpy() for n, x in scores(found).items()}, Budget(0.5)) == plan
    assert choose(found, {n: x.requires_grad_() for n, x in scores(found).items()}, Budget(0.5)) == plan


@pytest.mark.parametrize("units", [[0.5, 1.7], [[0, 1]], [True, False], 3])
def test_units_are_whole_numbers(units: object):
    found = mlp()
    with pytest.raises(PlanError, match="units are a list of whole numbers"):
        Plan(found, {found.sites[0].name: units}, Budget(0.0))
