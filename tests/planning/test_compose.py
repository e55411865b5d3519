"""Plans in a row are one plan, and one plan falls into two."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from recprune.errors import PlanError
from recprune.models.caser import Caser
from recprune.models.deepfm import DeepFM
from recprune.models.ease import Ease
from recprune.models.mf import MF
from recprune.packing import folding, unpack
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.compose import compose, remainder
from recprune.planning.lifted import inherited, lifted
from recprune.planning.origins import Origins
from recprune.planning.plan import Plan
from recprune.surgery import apply, renumber, shrink_inputs
from recprune.tracing.build import named_tensors
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey

MAKERS = {
    "deepfm": lambda: (
        DeepFM(["user", "item", "hour"], [11, 13, 5], 4, (8, 6)),
        [torch.randint(5, (3,)) for _ in range(3)],
    ),
    "caser": lambda: (Caser(20, 5, 6, 4, (1, 2, 5), 3), [torch.randint(20, (3, 5))]),
    "mf": lambda: (MF(9, 12, 6), [torch.arange(3)]),
    "ease": lambda: (Ease(14), [(torch.rand(3, 14) > 0.5).float()]),
}
NO_IDS = frozenset(Kind) - {Kind.ID}


def random_plan(found, factor, seed, kinds=frozenset(Kind)):
    generator = torch.Generator().manual_seed(seed)
    scores = {site.name: torch.rand(site.size, generator=generator) for site in found.sites}
    return choose(found, scores, Budget(factor, kinds=kinds), rule=f"drawn({seed})")


def two_in_a_row(name, seed, kinds=frozenset(Kind), factors=(0.3, 0.3)):
    torch.manual_seed(seed)
    model, example = MAKERS[name]()
    example = tuple(example)
    first = random_plan(survey(model, example), factors[0], seed, kinds)
    once, inputs = apply(model, first, example), shrink_inputs(first, example, model.columns)
    second = random_plan(survey(once, inputs), factors[1], seed + 1, kinds)
    return model, example, first, second, apply(once, second, inputs)


def numbers(model):
    return {name: tensor.shape for name, tensor in named_tensors(model).items()}


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_one_plan_makes_the_shapes_that_two_in_a_row_make(name, seed):
    model, example, first, second, twice = two_in_a_row(name, seed)
    made = compose(first, second)
    assert made.survey is first.survey
    assert numbers(apply(model, made, example)) == numbers(twice)
    assert made.account().parameters_after == second.account().parameters_after
    assert made.budget.factor == made.account().share_removed >= 0.3
    assert made.rule == f"drawn({seed}); then drawn({seed + 1})"
    one, two, both = renumber(first), renumber(second), renumber(made)
    for column, codes in both.items():
        after = one.get(column, np.arange(len(codes)))
        assert np.array_equal(codes, two[column][after] if column in two else after)


@pytest.mark.parametrize("name", MAKERS)
def test_without_ids_it_makes_the_very_same_model(name):
    model, example, first, second, twice = two_in_a_row(name, 3, NO_IDS)
    at_once = apply(model, compose(first, second), example)
    assert all(torch.equal(a, b) for a, b in zip(twice.parameters(), at_once.parameters(), strict=True))


@pytest.mark.parametrize("name", MAKERS)
def test_the_remainder_of_one_plan_is_the_second(name):
    *_, first, second, _ = two_in_a_row(name, 5)
    rest = remainder(compose(first, second), first, second.survey)
    for site in second.survey.sites:
        assert np.array_equal(rest.units(site), second.units(site))
    assert rest.encodings == second.encodings


def test_a_field_and_its_dims_leave_in_turn():
    torch.manual_seed(0)
    model, example = MAKERS["deepfm"]()
    found = survey(model, tuple(example))
    first = dataclasses.replace(random_plan(found, 0.0, 0), kept={"table.dim": np.array([1, 3])})
    once = apply(model, first, tuple(example))
    found = survey(once, tuple(example))
    second = dataclasses.replace(random_plan(found, 0.0, 0), kept={"item.field": np.array([], dtype=np.int64)})
    made = compose(first, second)
    assert {name: len(units) for name, units in made.kept.items()} == {"table.dim": 2, "item.field": 0}
    assert made.budget.factor == pytest.approx(made.account().share_removed)


def test_a_second_plan_for_another_model_is_refused():
    _, _, first, second, _ = two_in_a_row("mf", 1)
    with pytest.raises(PlanError) as error:
        compose(first, random_plan(first.survey, 0.2, 1))
    assert error.value.tensor in first.survey.shapes
    with pytest.raises(PlanError, match="back"):
        remainder(random_plan(first.survey, 0.0, 0), first, second.survey)


@pytest.mark.parametrize("name", MAKERS)
def test_choosing_by_lifted_scores_goes_on_where_the_first_plan_stopped(name):
    _, _, first, second, _ = two_in_a_row(name, 7)
    found = second.survey
    generator = torch.Generator().manual_seed(1)
    scores = {site.name: torch.rand(site.size, generator=generator) - 0.5 for site in found.sites}
    budget = Budget(0.6)
    further = choose(first.survey, lifted(scores, Origins(first, found)), budget)
    rest = remainder(further, first, found)
    removed = 1 - further.account().parameters_after / first.account().parameters_before
    assert 0.6 <= removed < 0.8
    assert compose(first, rest, budget).kept.keys() == further.kept.keys()
    assert rest.account().parameters_after == further.account().parameters_after


def test_a_lifted_score_keeps_the_price_that_it_has_in_the_smaller_model():
    model, example = MAKERS["deepfm"]()
    found = survey(model, tuple(example))
    half = dataclasses.replace(random_plan(found, 0.0, 0), kept={"tower.0.neuron": np.arange(4)})
    smaller = survey(apply(model, half, tuple(example)), tuple(example))
    scores = {site.name: torch.ones(site.size) for site in smaller.sites}
    told = lifted(scores, Origins(half, smaller))
    assert told["tower.0.neuron"].tolist() == [1.0] * 4 + [-1e30] * 4
    costs = (8 + 4, 4 + 4)  # a neuron of the second layer: weights in, bias and norm, weight out
    assert told["tower.4.neuron"].tolist() == pytest.approx([costs[0] / costs[1]] * 6)


def test_fields_that_have_left_stay_away_where_the_last_one_can_no_longer_leave():
    torch.manual_seed(0)
    model, example = MAKERS["deepfm"]()
    found, none = survey(model, tuple(example)), np.array([], dtype=np.int64)
    first = dataclasses.replace(random_plan(found, 0.0, 0), kept={"user.field": none, "hour.field": none})
    inputs = shrink_inputs(first, tuple(example), model.columns)
    smaller = survey(apply(model, first, tuple(example)), inputs)
    assert not any(site.kind is Kind.FIELD for site in smaller.sites)
    scores = {site.name: torch.rand(site.size) for site in smaller.sites}
    for factor in (0.7, 0.9):
        further = choose(found, lifted(scores, Origins(first, smaller)), Budget(factor))
        rest = remainder(further, first, smaller)
        assert not len(further.units(found.site("user.field"))) + len(further.units(found.site("hour.field")))
        assert rest.account().parameters_after == further.account().parameters_after


def test_scores_of_the_first_model_are_told_of_the_units_that_the_smaller_one_still_has():
    model, example = MAKERS["deepfm"]()
    found = survey(model, tuple(example))
    scores = {site.name: torch.arange(site.size) + 10.0 for site in found.sites}
    kept = {"tower.0.neuron": np.array([1, 3, 6]), "tower.4.neuron": np.array([0, 5])}
    first = dataclasses.replace(random_plan(found, 0.0, 0), kept=kept)
    smaller = survey(apply(model, first, tuple(example)), tuple(example))
    told = inherited(scores, Origins(first, smaller))
    assert told.keys() == {site.name for site in smaller.sites}
    assert {name: told[name].tolist() for name in kept} == {"tower.0.neuron": [11, 13, 16], "tower.4.neuron": [10, 15]}
    assert all(torch.equal(told[name], scores[name].double()) for name in told.keys() - kept.keys())
    del scores["tower.0.neuron"]
    assert "tower.0.neuron" not in inherited(scores, Origins(first, smaller))


def test_entries_that_are_zeros_until_they_are_packed_leave_once():
    torch.manual_seed(0)
    model, example = MAKERS["ease"]()
    found = survey(model, tuple(example))
    first = dataclasses.replace(random_plan(found, 0.4, 1), encodings={"items.weight": "top_entries"})
    once = apply(model, first, tuple(example), packed=False)
    smaller = survey(once, tuple(example))
    told = lifted({"items.entry": torch.rand(14 * 14)}, Origins(first, smaller))
    further = choose(found, told, Budget(0.6), encodings={"items.weight": "top_entries"})
    rest = remainder(further, first, smaller)
    assert np.isin(further.kept["items.entry"], first.kept["items.entry"]).all()
    assert np.array_equal(rest.kept["items.entry"], further.kept["items.entry"])
    assert np.array_equal(compose(first, rest).kept["items.entry"], further.kept["items.entry"])


def normed():
    """A batch norm between two Linears."""
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
    ).eval()


def test_a_norm_that_the_first_folds_leaves_with_the_units_that_the_second_takes():
    model, x = normed(), (torch.randn(8, 6),)
    first = Plan(survey(model, x), {"3.neuron": np.arange(12)}, Budget(0.0), "", folding(model))
    once = apply(model, first, x)
    second = Plan(survey(once, x), {"0.neuron": np.arange(20)}, Budget(0.0))
    made = compose(first, second)
    assert made.folded() == ("1",)
    assert numbers(apply(model, made, x)) == numbers(apply(once, second, x))
    assert np.array_equal(remainder(made, first, second.survey).kept["0.neuron"], np.arange(20))


@pytest.mark.parametrize("opened", [False, True])
def test_a_tensor_is_stored_as_it_is_in_the_end(opened):
    model, x = normed(), (torch.randn(8, 6),)
    first = Plan(survey(model, x), {}, Budget(0.0), "", {"0.weight": "int8_rows", "3.weight": "int8_rows"})
    once = apply(model, first, x)
    once = unpack(once) if opened else once
    second = Plan(survey(once, x), {}, Budget(0.0), "", {"3.weight": "int4_rows"} if opened else {})
    made = compose(first, second)
    assert made.encodings == (second.encodings if opened else first.encodings)
    assert numbers(apply(model, made, x)) == numbers(apply(once, second, x))
    if opened:
        assert made.file_bytes() == second.file_bytes()


def test_an_encoding_that_does_not_pay_is_left_out():
    model, x = normed(), (torch.randn(8, 6),)
    first = Plan(survey(model, x), {"3.neuron": np.arange(2)}, Budget(0.0), "", {"3.weight": "int8_rows"})
    once = unpack(apply(model, first, x))
    second = Plan(survey(once, x), {"0.neuron": np.arange(1)}, Budget(0.0), "", {"3.weight": "item_bytes"})
    made = compose(first, second)
    assert not made.encodings
    apply(model, made, x)


@pytest.mark.parametrize("encodings", [{}, {"items.values": "item_bytes"}])
def test_entries_are_stored_as_the_second_plan_stores_their_values(encodings):
    torch.manual_seed(0)
    model, example = MAKERS["ease"]()
    found, example = survey(model, tuple(example)), tuple(example)
    first = Plan(found, {"items.entry": np.arange(0, 196, 2)}, Budget(0.0), "", {"items.weight": "item_bytes"})
    once = unpack(apply(model, first, example))
    second = Plan(survey(once, example), {"items.entry": np.arange(60)}, Budget(0.0), "", encodings)
    made = compose(first, second)
    assert made.encodings == {"items.weight": encodings.get("items.values", "item_item")}
    assert numbers(apply(model, made, example)) == numbers(apply(once, second, example))
