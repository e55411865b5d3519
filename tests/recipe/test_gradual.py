"""Pruning in steps: along a cubic schedule, resumable, and one plan in the end."""

import contextlib
import dataclasses
import functools
import itertools
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from recprune.artifact import load, save
from recprune.data.dataset import Split
from recprune.data.vocabulary import Vocabulary
from recprune.encodings.faces import Packed
from recprune.errors import BudgetError, TrainingError
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.inputs import example
from recprune.models.build import build
from recprune.planning.budget import Budget, MaxDrop
from recprune.recipe.gradual import cubic, gradual
from recprune.recipe.shrinking import shared, shrinking
from recprune.surgery import apply
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.tracing.build import named_tensors
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions, fit

SETTINGS = {"ease": {}, "mf": {"dim": 8}, "caser": {"dim": 8, "length": 4}, "deepfm": {"dim": 4, "hidden": [8]}}
TUNING = FitOptions(epochs=7, patience=7, lr=0.01, batch=32, schedule="linear", threads=1)


WIDE = {"ease": {}, "mf": {"dim": 32}, "deepfm": {"dim": 8, "hidden": [32]}}


def trained(name, settings=SETTINGS):
    split = tiny_clicks() if name == "deepfm" else tiny_split()
    model = build(name, split, **settings[name])
    fit(model, split, FitOptions(epochs=2))
    return model, split


def weights(folder):
    return (folder / "weights.safetensors").stat().st_size


def shapes(model):
    return {name: tensor.shape for name, tensor in named_tensors(model).items()}


def same(one, other):
    pairs = zip(named_tensors(one.model).items(), named_tensors(other.model).items(), strict=True)
    return one.plan == other.plan and all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_plan_of_many_steps_is_one_of_the_model_that_was_given(name):
    model, split = trained(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    made = gradual(model, split, 0.6, steps=3, options=TUNING)
    assert 0.6 <= made.plan.account().share_removed < 0.75
    assert made.plan.budget.factor == 0.6
    assert shapes(apply(model, made.plan, example(model, split))) == shapes(made.model)
    assert evaluate(made.model, split, renumber=made.renumber).mean
    assert {key: len(v) for key, v in made.vocabularies.items()} == {
        key: made.renumber[key].max() + 1 if key in made.renumber else len(v) for key, v in split.vocabularies.items()
    }
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_the_schedule_takes_much_at_first():
    assert cubic(0.8, 4) == pytest.approx([0.8 * (1 - 0.75**3), 0.8 * 0.875, 0.8 * (1 - 0.25**3), 0.8])
    assert cubic(0.5, 1) == [0.5]
    assert cubic(1.0, 2, start=0.2) == pytest.approx([0.9, 1.0])


def test_every_step_stands_for_itself_and_takes_more_than_the_one_before():
    model, split = trained("deepfm")
    small = frozenset({Kind.ID, Kind.NEURON})
    budgets = [Budget(factor, kinds=small) for factor in cubic(0.7, 4)]
    made = list(shrinking(model, split, budgets, options=TUNING))
    left = [one.plan.account().share_removed for one in made]
    assert all(budget.factor <= share < budget.factor + 0.12 for budget, share in zip(budgets, left, strict=True))
    for early, late in itertools.pairwise(made):
        assert all(np.isin(late.plan.units(s), early.plan.units(s)).all() for s in late.plan.survey.sites)
    assert [len(one.fit.history) for one in made] == [1, 2, 3, 7]
    assert [epoch.number for epoch in made[-1].fit.history] == list(range(1, 8))


def test_the_last_step_trains_longest_and_the_step_size_falls_over_all():
    options = shared(FitOptions(epochs=12, seed=5), 4)
    assert [(o.epochs, o.before, o.of, o.seed) for o in options] == [
        (1, 0, 12, 5),
        (1, 1, 12, 6),
        (1, 2, 12, 7),
        (9, 3, 12, 8),
    ]
    assert [o.epochs for o in shared(FitOptions(epochs=12), 3)] == [2, 2, 8]
    with pytest.raises(TrainingError):
        shared(FitOptions(epochs=2), 3)


def test_each_step_is_scored_on_the_model_that_the_last_one_left():
    model, split = trained("deepfm")
    at_once, in_steps = (gradual(model, split, 0.6, steps=n, options=TUNING, rule="taylor") for n in (1, 3))
    assert any(not np.array_equal(at_once.plan.units(s), in_steps.plan.units(s)) for s in at_once.plan.survey.sites)


def test_a_budget_in_bytes_is_met_and_kinds_and_floors_hold_in_every_step():
    model, split = trained("caser")
    whole = sum(t.numel() * t.element_size() for t in named_tensors(model).values())
    network = frozenset({Kind.DIM, Kind.NEURON, Kind.FILTER})
    budget = Budget(bytes=whole // 2, keep=0.4, kinds=network)
    made = gradual(model, split, budget=budget, steps=3, options=TUNING, encodings=())
    assert made.plan.file_bytes() <= whole // 2
    assert not made.plan.encodings
    assert {made.plan.survey.site(name).kind for name in made.plan.kept} <= network
    assert all(len(made.plan.units(s)) >= 0.4 * s.size for s in made.plan.survey.sites)


@pytest.mark.parametrize(("name", "limit"), [("mf", 1_700), ("deepfm", 2_700), ("ease", 800)])
def test_bytes_are_met_by_cuts_in_steps_and_bits_in_the_end(name, limit, tmp_path):
    model, split = trained(name, WIDE)
    budget = Budget(bytes=limit, kinds=frozenset({Kind.DIM, Kind.NEURON, Kind.ENTRY}))
    ways = ["item_bytes"] if name == "ease" else ["int8_rows"]
    made = gradual(model, split, budget=budget, steps=3, options=TUNING, encodings=ways)
    size = weights(save(tmp_path / "small", made.model, plan=made.plan))
    assert size == made.plan.file_bytes() <= limit
    assert set(made.plan.encodings.values()) == set(ways)
    assert made.plan.kept
    assert made.plan.packed()
    assert load(tmp_path / "small").plan == made.plan
    assert evaluate(made.model, split, renumber=made.renumber).mean


def test_one_encoding_stores_what_a_factor_leaves():
    model, split = trained("mf")
    made = gradual(model, split, 0.5, steps=2, options=TUNING, encodings=("int8_rows",))
    assert set(made.plan.encodings.values()) == {"int8_rows"}
    assert isinstance(made.model.user, Packed)
    assert made.plan.account().share_removed >= 0.5
    with pytest.raises(BudgetError, match="one encoding"):
        gradual(model, split, 0.5, options=TUNING, encodings=("int8_rows", "int4_rows"))


@pytest.mark.parametrize("at", [1, 4, 7])
def test_a_run_that_ends_packed_and_was_stopped_ends_alike(at, tmp_path):
    model, split = trained("deepfm", WIDE)
    budget = Budget(bytes=2_700, kinds=frozenset({Kind.DIM, Kind.NEURON}))
    make = functools.partial(
        gradual, model, split, budget=budget, steps=3, options=TUNING, encodings=("int8_rows",), seed=1
    )
    whole = make()
    assert whole.plan.packed()
    with pytest.raises(Stopped):
        make(folder=tmp_path, stage=stopping(at))
    resumed = make(folder=tmp_path)
    assert same(whole, resumed)
    seen = []
    assert same(whole, make(folder=tmp_path, stage=stopping(0, seen)))
    assert not seen


def test_a_budget_that_has_to_be_measured_and_no_steps_are_refused():
    model, split = trained("mf")
    with pytest.raises(BudgetError, match="measured"):
        gradual(model, split, budget=Budget(max_drop=MaxDrop("ndcg@20", 0.1)))
    with pytest.raises(BudgetError, match="one step"):
        gradual(model, split, 0.5, steps=0)


def test_a_distilled_one_learns_from_the_model_that_was_given():
    model, split = trained("deepfm")
    plain, taught = (gradual(model, split, 0.5, steps=2, options=TUNING, distilled=d) for d in (False, True))
    assert not same(plain, taught)


class Stopped(Exception):
    pass


def stopping(at, seen=None):
    """A stage that stops at the `at`-th epoch that is reported."""
    epochs = [] if seen is None else seen

    @contextlib.contextmanager
    def stage(name):
        def say(words):
            if words.startswith("epoch"):
                epochs.append(words)
                if len(epochs) == at:
                    raise Stopped

        yield say

    return stage


@pytest.mark.parametrize("name", ["deepfm", "ease", "mf"])
def test_steps_on_disk_are_the_steps_in_memory(name, tmp_path):
    model, split = trained(name)
    whole = gradual(model, split, 0.6, steps=3, options=TUNING)
    kept = gradual(model, split, 0.6, steps=3, options=TUNING, folder=tmp_path / "steps")
    seen = []
    again = gradual(model, split, 0.6, steps=3, options=TUNING, folder=tmp_path / "steps", stage=stopping(0, seen))
    assert same(whole, kept)
    assert same(whole, again)
    assert not seen
    assert again.fit == kept.fit
    assert {p.name for p in (tmp_path / "steps").iterdir()} == {"run.json", "step-1", "step-2", "step-3"}


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_run_that_was_stopped_goes_on_and_ends_alike(at, tmp_path):
    model, split = trained("deepfm")
    whole = gradual(model, split, 0.6, steps=3, options=TUNING, distilled=True)
    with pytest.raises(Stopped):
        gradual(model, split, 0.6, steps=3, options=TUNING, distilled=True, folder=tmp_path, stage=stopping(at))
    seen = []
    resumed = gradual(
        model, split, 0.6, steps=3, options=TUNING, distilled=True, folder=tmp_path, stage=stopping(0, seen)
    )
    assert same(whole, resumed)
    assert len(seen) == 7 - at
    assert [(e.number, e.loss, e.value) for e in resumed.fit.history] == [
        (e.number, e.loss, e.value) for e in whole.fit.history
    ]


KILLED = """
    import contextlib, os, signal, sys
    from pathlib import Path
    from recprune.models.build import build
    from recprune.recipe.gradual import gradual
    from recprune.testing.data import tiny_clicks
    from recprune.training.fit import FitOptions, fit

    split = tiny_clicks()
    model = build("deepfm", split, dim=4, hidden=[8])
    fit(model, split, FitOptions(epochs=2))
    left = [int(sys.argv[2])]

    @contextlib.contextmanager
    def stage(name):
        def say(words):
            left[0] -= words.startswith("epoch")
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        yield say

    tuning = FitOptions(epochs=7, patience=7, lr=0.01, batch=32, schedule="linear", threads=1)
    gradual(model, split, 0.6, steps=3, options=tuning, folder=Path(sys.argv[1]), stage=stage)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_process_that_was_killed_is_taken_up_where_it_was(tmp_path):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), "4"])
    assert done.returncode == -signal.SIGKILL
    model, split = trained("deepfm")
    seen = []
    resumed = gradual(model, split, 0.6, steps=3, options=TUNING, folder=tmp_path, stage=stopping(0, seen))
    assert same(gradual(model, split, 0.6, steps=3, options=TUNING), resumed)
    assert len(seen) == 7 - 4


def test_steps_of_another_model_or_other_options_are_made_anew(tmp_path):
    model, split = trained("mf")
    one = gradual(model, split, 0.5, steps=2, options=TUNING, folder=tmp_path)
    with torch.no_grad():
        model.item.weight.mul_(-1.0)
    other = gradual(model, split, 0.5, steps=2, options=TUNING, folder=tmp_path)
    assert not same(one, other)
    assert same(other, gradual(model, split, 0.5, steps=2, options=TUNING))


def test_units_that_are_rated_once_leave_in_that_order():
    model, split = trained("deepfm")
    rated: dict[str, torch.Tensor] = {}
    asked: list[torch.nn.Module] = []

    def rule(site, probe):
        asked.append(probe.model)
        rated[site.name] = torch.rand(site.size, generator=torch.Generator().manual_seed(site.size))
        return rated[site.name]

    budgets = [Budget(factor, kinds=frozenset({Kind.ID, Kind.NEURON, Kind.DIM})) for factor in cubic(0.7, 3)]
    made = list(shrinking(model, split, budgets, rule=rule, options=TUNING, anew=False))
    assert all(one is model for one in asked)
    for one in made:
        for site in (site for site in one.plan.survey.sites if site.kind is not Kind.ID):  # rare ids may leave first
            stays, leaves = one.plan.units(site), one.plan.leaving(site)
            if site.name in rated and len(leaves) and len(stays):
                gone = np.isin(rated[site.name].argsort().numpy(), leaves)
                assert gone[: len(leaves) - 1].all()  # the two dearest may be worth the same
    asked.clear()
    list(shrinking(model, split, budgets, rule=rule, options=TUNING))
    assert any(one is not model for one in asked)


def test_steps_of_data_with_other_ids_are_made_anew(tmp_path):
    model, split = trained("deepfm")
    first = gradual(model, split, 0.5, steps=2, options=TUNING, folder=tmp_path)
    known = {n: Vocabulary(n, [f"new-{key}" for key in v.ids]) for n, v in split.vocabularies.items()}
    parts = [dataclasses.replace(part, vocabularies=known) for part in (split.train, split.valid, split.test)]
    other = gradual(model, Split(*parts), 0.5, steps=2, options=TUNING, folder=tmp_path)
    assert same(first, other)
    assert all(key.startswith("new-") for vocabulary in other.vocabularies.values() for key in vocabulary.ids)


def test_a_checkpoint_of_the_options_is_none_of_the_steps(tmp_path):
    model, split = trained("mf")
    options = dataclasses.replace(TUNING, checkpoint=tmp_path / "saved")
    assert same(
        gradual(model, split, 0.5, steps=2, options=options), gradual(model, split, 0.5, steps=2, options=TUNING)
    )
    assert not (tmp_path / "saved").exists()
