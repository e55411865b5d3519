import contextlib
from dataclasses import replace

import pytest
import torch

from recprune.errors import TrainingError
from recprune.evaluation.evaluate import evaluate
from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.recipe.early import early
from recprune.recipe.prune import plan
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.tracing.build import named_tensors
from recprune.training.fit import FitOptions, fit

SETTINGS = {"mf": {"dim": 8}, "caser": {"dim": 8, "length": 4}, "deepfm": {"dim": 4, "hidden": [8]}}
OPTIONS = FitOptions(epochs=6, patience=6, batch=32, lr=0.01, schedule="linear", threads=1)


def fresh(name):
    split = tiny_clicks() if name == "deepfm" else tiny_split()
    return build(name, split, **SETTINGS[name]), split


def same(one, other):
    pairs = zip(named_tensors(one).values(), named_tensors(other).values(), strict=True)
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", SETTINGS)
def test_both_trainings_together_take_the_epochs_of_the_large_one(name):
    model, split = fresh(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    made = early(model, split, 0.5, options=OPTIONS, after=2)
    assert [epoch.number for epoch in made.fit.history] == [1, 2, 3, 4, 5, 6]
    assert made.plan.account().share_removed >= 0.5
    assert evaluate(made.model, split, renumber=made.renumber).mean
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_what_leaves_is_chosen_on_the_model_that_was_trained_a_little():
    model, split = fresh("deepfm")
    made = early(model, split, 0.5, options=OPTIONS, after=1, rule="magnitude")
    little = build("deepfm", split, **SETTINGS["deepfm"])
    fit(little, split, replace(OPTIONS, epochs=1, of=6))
    assert plan(little, split, 0.5, rule="magnitude") == made.plan


def test_it_says_how_much_work_it_took():
    model, split = fresh("mf")
    heard = []

    @contextlib.contextmanager
    def stage(name):
        yield heard.append

    made = early(model, split, 0.5, options=OPTIONS, stage=stage)
    share = (2 + 4 * (1 - made.plan.account().share_removed)) / 6
    assert heard[-1] == f"{share:.0%} of the work"
    assert share < 0.7


@pytest.mark.parametrize("at", [2, 4])
def test_a_run_that_was_stopped_goes_on_and_ends_alike(at, tmp_path):
    model, split = fresh("deepfm")
    whole = early(model, split, 0.5, options=OPTIONS, after=3)
    saved, heard = replace(OPTIONS, checkpoint=tmp_path / "state"), []

    @contextlib.contextmanager
    def stage(name):
        def say(words):
            if words.startswith("epoch"):
                heard.append(words)
                if len(heard) == at:
                    raise KeyboardInterrupt

        yield say

    with pytest.raises(KeyboardInterrupt):
        early(model, split, 0.5, options=saved, after=3, stage=stage)
    resumed = early(model, split, 0.5, options=saved, after=3, stage=stage)
    assert len(heard) == 6
    assert resumed.plan == whole.plan
    assert same(resumed.model, whole.model)


def test_a_model_without_epochs_and_an_epoch_outside_are_refused():
    model, split = fresh("mf")
    for after in (0, 6, 7):
        with pytest.raises(TrainingError, match=f"after {after} of 6"):
            early(model, split, 0.5, options=OPTIONS, after=after)
    with pytest.raises(TrainingError, match="closed form"):
        early(build("ease", split), split, budget=Budget(0.5), options=OPTIONS)
