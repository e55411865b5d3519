"""Kinds of unit are weighed against each other by trying plans."""

import contextlib

import pytest
import torch

from recprune.importance.rules.magnitude import Magnitude
from recprune.importance.score import score
from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.recipe import an_epoch, weighing
from recprune.recipe.an_epoch import loss_after
from recprune.recipe.prune import plan
from recprune.recipe.pruned import followed
from recprune.recipe.weighing import FACTOR, weighed
from recprune.testing.data import tiny_split
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions
from recprune.training.together import Alone

OPTIONS = FitOptions(epochs=2, lr=0.01, batch=64)


@pytest.fixture(scope="module")
def scored(surveyed_clicks):
    model, split, found, asked = surveyed_clicks
    scores = score(followed(found, split), Magnitude(), asked)

    def estimate(scores, bits):
        return choose(found, scores, Budget(factor=0.5))

    return model, split, estimate(scores, 1.0), scores, asked, estimate


def fields(plan):
    """How many fields leave."""
    return sum(len(plan.leaving(site)) for site in plan.survey.sites if site.kind is Kind.FIELD)


def test_the_best_of_what_was_tried_is_taken(scored):
    model, split, first, scores, asked, _ = scored
    tried = {}

    def estimate(scores, bits):
        made = scored[-1](scores, bits)
        tried[made.to_json()] = made
        return made

    best = weighed(model, split, first, scores, asked, estimate, options=OPTIONS)
    assert len(tried) > 2

    def after(plan, epochs):
        return loss_after(model, split, plan, asked, OPTIONS, epochs=epochs)

    finalists = sorted({first.to_json(): first, **tried}.values(), key=lambda plan: after(plan, 1))[: weighing.BEST]
    assert after(best, 2) == min(after(plan, 2) for plan in finalists)
    assert best.to_json() == weighed(model, split, first, scores, asked, estimate, options=OPTIONS).to_json()


def test_it_goes_on_where_it_helps(scored, monkeypatch):
    model, split, first, scores, asked, estimate = scored
    asked_for = []

    def told(scores, bits):
        asked_for.append(scores)
        return estimate(scores, bits)

    monkeypatch.setattr(weighing, "loss_after", lambda model, split, plan, *_, **__: -fields(plan))
    best = weighed(model, split, first, scores, asked, told)
    assert fields(best) > fields(first)
    *each, last = [{n: float(s[n].sum() / scores[n].sum()) for n in s} for s in asked_for]
    assert {round(max(f, 1 / f)) for factors in each for f in factors.values()} == {1, FACTOR}
    assert max(round(max(f, 1 / f)) for f in last.values()) >= FACTOR**2


def test_no_more_are_tried_than_said(scored, monkeypatch):
    model, split, first, scores, asked, estimate = scored
    tried = []
    monkeypatch.setattr(
        weighing,
        "loss_after",
        lambda model, split, plan, *_, epochs=1, **__: tried.append((plan.to_json(), epochs)) or -len(tried),
    )
    monkeypatch.setattr(weighing, "TRIES", 2)
    monkeypatch.setattr(weighing, "BEST", 2)
    best = weighed(model, split, first, scores, asked, estimate)
    assert [epochs for _, epochs in tried] == [1, 1, 1, weighing.EPOCHS, weighing.EPOCHS]
    assert [plan for plan, _ in tried[3:]] == [plan for plan, _ in tried[2:0:-1]]
    assert best.to_json() == tried[4][0]


def test_for_one_epoch_of_fine_tuning_one_is_enough(scored, monkeypatch):
    model, split, first, scores, asked, estimate = scored
    tried = []
    monkeypatch.setattr(weighing, "loss_after", lambda *_, epochs=1, **__: tried.append(epochs) or len(tried))
    one = FitOptions(epochs=1)
    assert weighed(model, split, first, scores, asked, estimate, options=one).to_json() == first.to_json()
    assert set(tried) == {1}


def test_a_plan_that_was_made_otherwise_is_tried_too(scored, monkeypatch):
    model, split, first, scores, asked, estimate = scored
    ids = choose(first.survey, scores, Budget(0.1, kinds=frozenset({Kind.ID})))
    words, losses = [], {ids.to_json(): 0.0}

    @contextlib.contextmanager
    def stage(name):
        yield words.append

    monkeypatch.setattr(weighing, "loss_after", lambda model, split, plan, *_, **__: losses.get(plan.to_json(), 1.0))
    best = weighed(model, split, first, scores, asked, estimate, others={"rare ids": ids}, stage=stage)
    assert best is ids
    assert words[1] == "rare ids: loss 0 after an epoch"
    assert words[-1].endswith("best: rare ids")
    losses[ids.to_json()] = 2.0
    assert weighed(model, split, first, scores, asked, estimate, others={"rare ids": ids}) is not ids
    losses[ids.to_json()] = 0.0
    assert weighed(model, split, first, scores, asked, lambda scores, bits: first, others={"rare ids": ids}) is ids
    assert weighed(model, split, first, scores, asked, lambda scores, bits: first, others={"same": first}) is first


def test_one_epoch_may_be_wrong(scored, monkeypatch):
    model, split, first, scores, asked, estimate = scored

    def loss(model, split, plan, *_, epochs=1, **__):
        return fields(plan) if epochs == 1 else -fields(plan)

    monkeypatch.setattr(weighing, "loss_after", loss)
    best = weighed(model, split, first, scores, asked, estimate)
    monkeypatch.setattr(weighing, "EPOCHS", 1)
    assert fields(best) > fields(weighed(model, split, first, scores, asked, estimate))


def test_all_workers_go_by_the_losses_of_the_first(scored, monkeypatch):
    model, split, first, scores, asked, estimate = scored

    class Second(Alone):
        def told(self, value):
            return next(losses)

    monkeypatch.setattr(an_epoch, "carry_out", None)
    rest = [2.0] * (weighing.TRIES + weighing.BEST)
    losses = iter([3.0, 1.0, *rest])
    assert weighed(model, split, first, scores, asked, estimate, workers=Second()).to_json() != first.to_json()
    losses = iter([1.0, *rest])
    assert weighed(model, split, first, scores, asked, estimate, workers=Second()).to_json() == first.to_json()


def test_where_plans_come_out_the_same_none_is_tried(scored, monkeypatch):
    model, split, first, scores, asked, _ = scored
    monkeypatch.setattr(weighing, "loss_after", None)
    assert weighed(model, split, first, scores, asked, lambda scores, bits: first) is first


def test_models_that_rank_are_not_tried(scored, monkeypatch):
    split = tiny_split()
    monkeypatch.setattr(weighing, "loss_after", None)
    model = build("mf", split, dim=8)
    assert weighed(model, split, scored[2], scored[3], scored[4], None) is scored[2]


def test_a_plan_with_fine_tuning_to_follow_says_what_was_tried(scored):
    model, split = scored[:2]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    words = []

    @contextlib.contextmanager
    def stage(name):
        yield lambda said: words.append(f"{name}: {said}")

    chosen = plan(model, split, budget=Budget(bytes=4000), tuning=OPTIONS, stage=stage)
    assert chosen.account().bytes_after <= 4000
    assert any(word.startswith("weigh: as estimated: loss") for word in words)
    assert any(word.startswith("weigh: rare ids: loss") for word in words)
    assert words[-1].startswith("weigh: ")
    assert "plans tried, best: " in words[-1]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
