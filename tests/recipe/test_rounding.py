from dataclasses import replace

import pytest
import torch

from recprune.errors import TrainingError
from recprune.evaluation.evaluate import evaluate
from recprune.models.build import build
from recprune.packing import storing
from recprune.planning.budget import Budget
from recprune.recipe.early import early
from recprune.recipe.prune import plan, prune
from recprune.recipe.pruned import carry_out
from recprune.recipe.restrict import restrict
from recprune.recipe.rivals import from_scratch
from recprune.recipe.rounding import rounding_in
from recprune.testing.data import tiny_clicks
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions, fit

PAIR = 2e-3
"""Two pairs of rows in another order: packed models multiply in another one too."""

FOUR = FitOptions(epochs=4, patience=4, batch=64, lr=0.01)


@pytest.fixture(scope="module")
def trained():
    split = tiny_clicks()
    model = build("deepfm", split, dim=8, hidden=[16])
    fit(model, split, FitOptions(epochs=3))
    chosen = plan(model, split, 0.3)
    return model, split, replace(chosen, encodings=storing(model, "int2_rotated_rows"))


def judged(pruned, split):
    return evaluate(pruned.model, restrict(split, pruned.renumber), part="valid").mean["auc"]


def test_the_best_epoch_is_that_of_the_packed_model(trained):
    model, split, chosen = trained
    small = carry_out(model, split, chosen, options=FOUR)
    values = [epoch.value for epoch in small.fit.history]
    assert small.fit.best_epoch == 0 or judged(small, split) == pytest.approx(max(values), abs=PAIR)
    scratch = from_scratch(model, split, small, options=FOUR)
    assert judged(scratch, split) == pytest.approx(max(epoch.value for epoch in scratch.fit.history), abs=PAIR)


def test_the_share_of_the_epochs_counts(trained):
    model, split, chosen = trained
    losses = {
        share: [e.loss for e in carry_out(model, split, chosen, options=FOUR, rounding=share).fit.history]
        for share in (0.0, 0.5, 1.0)
    }
    assert losses[0.5][:2] == losses[0.0][:2]
    assert losses[0.5][2] != losses[0.0][2]
    assert losses[1.0][0] != losses[0.0][0]


def test_floats_and_share_0_leave_the_training_as_it_is(trained):
    model, _, chosen = trained
    with rounding_in(model, replace(chosen, encodings={}), FOUR) as steps:
        assert steps is None
    with rounding_in(model, chosen, FOUR, 0.0) as steps:
        assert steps is None
    with pytest.raises(TrainingError, match="share"):
        rounding_in(model, chosen, FOUR, 2.0)


def test_prune_and_early_round_what_they_will_store(trained):
    model, split, _ = trained
    budget = Budget(bytes=3200, kinds=frozenset({Kind.NEURON}), keep=0.9)
    one, other = (prune(model, split, budget=budget, options=FOUR, rounding=share) for share in (1.0, 0.0))
    assert one.plan == other.plan
    assert one.plan.packed()
    assert [e.loss for e in one.fit.history] != [e.loss for e in other.fit.history]
    fresh = build("deepfm", split, dim=8, hidden=[16])
    cut = early(fresh, split, budget=budget, options=FOUR, after=1)
    assert cut.plan.packed()
    assert all(bool(torch.isfinite(p).all()) for p in cut.model.parameters())
    assert max(e.value for e in cut.fit.history[1:]) == pytest.approx(judged(cut, split), abs=PAIR)
