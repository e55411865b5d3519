"""Rivals under stable names, each as large as it says, or with a word on why it is not there."""

import numpy as np
import pytest

from recprune.errors import BudgetError, ExtensionError
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.inputs import example
from recprune.evaluation.size import size_of
from recprune.models.build import build
from recprune.packing import storing
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.probing import code_counts
from recprune.recipe.prune import prune
from recprune.recipe.pruned import carry_out
from recprune.recipe.rivals import BITS, RIVALS, by_rare_ids, in_bits, rivals_of
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey
from recprune.training.fit import FitOptions, fit

SETTINGS = {"ease": {}, "mf": {"dim": 16}, "caser": {"dim": 8, "length": 4}, "deepfm": {"dim": 8, "hidden": [8]}}
ONE = FitOptions(epochs=1, patience=1)


def trained(name):
    split = tiny_clicks() if name == "deepfm" else tiny_split()
    model = build(name, split, **SETTINGS[name])
    fit(model, split, FitOptions(epochs=2))
    return model, split


@pytest.mark.parametrize("name", ["ease", "mf", "deepfm"])
def test_every_rival_is_there_or_it_is_said_why_not(name):
    model, split = trained(name)
    small = prune(model, split, 0.5, options=ONE)
    found = rivals_of(model, split, small, tuning=ONE, options=FitOptions(epochs=3))
    assert list(found.models) == [rival for rival in RIVALS if rival not in found.without]
    assert set(found.models) | set(found.without) == set(RIVALS)
    assert {"random", "from scratch", "int8 rows"} <= set(found.models)
    size = size_of(small.model)[2]
    assert size_of(found.models["random"])[2] == size
    assert size_of(found.models["from scratch"])[2] == size
    for rival, model_of_it in found.models.items():
        assert evaluate(model_of_it, split, renumber=found.codes.get(rival)).mean


def test_only_rivals_that_are_asked_for_are_made():
    model, split = trained("mf")
    small = prune(model, split, 0.5, options=ONE)
    found = rivals_of(model, split, small, tuning=ONE, options=ONE, names=["int4 rows", "random"])
    assert list(found.models) == ["random", "int4 rows"]
    assert not found.without
    with pytest.raises(ExtensionError, match="from scratch"):
        rivals_of(model, split, small, tuning=ONE, options=ONE, names=["best"])


@pytest.mark.parametrize("rival", BITS)
def test_bits_alone_store_every_matrix_and_leave_the_model_as_it_was(rival):
    model, _ = trained("mf")
    before = size_of(model)
    stored = in_bits(model, BITS[rival])
    assert size_of(stored)[:2] == before[:2] == size_of(model)[:2]
    assert size_of(stored)[2] < before[2] / (2 if rival == "int8 rows" else 3)


def test_a_model_that_no_bits_make_smaller_has_no_such_rival():
    model, _ = trained("mf")
    with pytest.raises(BudgetError, match="no matrix"):
        in_bits(in_bits(model, "int4_rows"), "int4_rows")


def test_the_rarest_ids_leave_until_the_bytes_are_those_of_the_pruned_model():
    model, split = trained("mf")
    small = prune(model, split, 0.3, options=ONE)
    rival = by_rare_ids(model, split, small, options=ONE)
    assert size_of(rival.model)[2] <= size_of(small.model)[2]
    sites = [site for site in rival.plan.survey.sites if len(rival.plan.leaving(site))]
    assert {site.kind for site in sites} == {Kind.ID}
    counts = code_counts(split)
    for site in sites:
        codes = np.arange(site.size) + 1
        left, stays = (counts[site.column][codes[of]] for of in (rival.plan.leaving(site), rival.plan.units(site)))
        assert left.max() <= stays.min()


def test_rare_ids_leave_from_what_is_stored_in_the_bits_of_the_plan_and_only_where_they_must():
    model, split = trained("mf")
    ways = storing(model, "int8_rows")
    found = survey(model, example(model, split))
    stored = carry_out(model, split, Plan(found, {}, Budget(0.1), encodings=ways), options=ONE)
    with pytest.raises(BudgetError, match="no id has to leave"):
        by_rare_ids(model, split, stored, options=ONE)
    units = {"user+item.dim": np.arange(8)}
    small = carry_out(model, split, Plan(found, units, Budget(0.1), encodings=ways), options=ONE)
    rival = by_rare_ids(model, split, small, options=ONE)
    assert rival.plan.encodings == ways
    assert size_of(rival.model)[2] <= size_of(small.model)[2]


def test_bytes_that_rare_ids_cannot_meet_are_said():
    model, split = trained("caser")
    small = prune(model, split, 0.5, options=ONE)
    found = rivals_of(model, split, small, tuning=ONE, options=ONE, names=["rare ids"])
    assert "cannot be met" in found.without["rare ids"]
