import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from recprune.errors import TrainingError
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.inputs import example
from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.recipe import rewind as module
from recprune.recipe.prune import plan
from recprune.recipe.rewind import rewind
from recprune.surgery import apply
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.tracing.build import named_tensors
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions, fit

SETTINGS = {"mf": {"dim": 8}, "caser": {"dim": 8, "length": 4}, "deepfm": {"dim": 4, "hidden": [8]}}
OPTIONS = FitOptions(epochs=5, patience=5, batch=32, lr=0.01, schedule="linear", threads=1)
BUDGET = Budget(0.5, kinds=frozenset(Kind) - {Kind.ID})


def chosen(name):
    """(as it was built, trained, data, plan)"""
    split = tiny_clicks() if name == "deepfm" else tiny_split()
    model, trained = (build(name, split, **SETTINGS[name]) for _ in range(2))
    fit(trained, split, OPTIONS)
    return model, trained, split, plan(trained, split, budget=BUDGET, rule="magnitude")


def same(one, other):
    pairs = zip(named_tensors(one).values(), named_tensors(other).values(), strict=True)
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_kept_units_begin_with_the_weights_of_that_epoch(name, monkeypatch):
    model, _, split, wanted = chosen(name)
    kept = {}

    def note(epoch):
        if epoch.number == 2:
            kept.update({key: value.clone() for key, value in again.state_dict().items()})

    again = build(name, split, **SETTINGS[name])
    fit(again, split, OPTIONS, progress=note)
    again.load_state_dict(kept)
    begun = []

    @contextlib.contextmanager
    def stage(what):
        if what == "train from there":
            begun.append(True)
        yield lambda words: None

    plain = module.fit

    def listening(started, *args, **options):
        if begun:
            assert same(started, apply(again, wanted, example(again, split)))
            begun.append(True)
        return plain(started, *args, **options)

    monkeypatch.setattr(module, "fit", listening)
    made = rewind(model, split, wanted, options=OPTIONS, to=2, stage=stage)
    assert begun == [True, True]
    assert made.plan is wanted
    assert len(made.fit.history) == 5
    assert evaluate(made.model, split, renumber=made.renumber).mean


def test_back_to_the_weights_that_were_drawn():
    model, trained, split, wanted = chosen("mf")
    made = rewind(model, split, wanted, options=OPTIONS, to=0)
    small = apply(model, wanted, example(model, split))
    fit(small, split, OPTIONS.part(0, 5))
    assert same(small, made.model)
    assert not same(rewind(model, split, wanted, options=OPTIONS, to=2).model, made.model)
    assert not same(rewind(model, split, wanted, options=OPTIONS, to=0, teacher=trained).model, made.model)


def test_ids_may_leave_too():
    model, trained, split, _ = chosen("deepfm")
    wanted = plan(trained, split, budget=Budget(0.2, kinds=frozenset({Kind.ID})), rule="frequency")
    made = rewind(model, split, wanted, options=OPTIONS)
    assert any(not np.array_equal(codes, np.arange(len(codes))) for codes in made.renumber.values())
    assert all(np.isfinite(epoch.loss) for epoch in made.fit.history)


@pytest.mark.parametrize("at", [1, 3])
def test_a_run_that_was_stopped_goes_on_and_ends_alike(at, tmp_path):
    model, _, split, wanted = chosen("deepfm")
    whole = rewind(model, split, wanted, options=OPTIONS, to=2)
    saved, heard = replace(OPTIONS, checkpoint=tmp_path / "state"), []

    @contextlib.contextmanager
    def stage(name):
        def say(words):
            heard.append(words)
            if len(heard) == at:
                raise KeyboardInterrupt

        yield say

    with pytest.raises(KeyboardInterrupt):
        rewind(model, split, wanted, options=saved, to=2, stage=stage)
    assert same(rewind(model, split, wanted, options=saved, to=2, stage=stage).model, whole.model)
    assert len(heard) == 5


def test_an_epoch_outside_and_a_model_without_epochs_are_refused():
    model, _, split, wanted = chosen("mf")
    for to in (-1, 5):
        with pytest.raises(TrainingError, match=f"epoch {to} of 5"):
            rewind(model, split, wanted, options=OPTIONS, to=to)
    with pytest.raises(TrainingError, match="closed form"):
        rewind(build("ease", split), split, wanted)
