"""Budgets in milliseconds and in allowed loss are met or refused."""

import pytest

from recprune.errors import BudgetError
from recprune.evaluation.evaluate import evaluate
from recprune.models.build import build
from recprune.planning.budget import Budget, MaxDrop
from recprune.recipe import frontier, meet
from recprune.recipe.prune import plan, prune
from recprune.recipe.rivals import by_chance
from recprune.testing.data import tiny_clicks
from recprune.training.fit import FitOptions, fit

FEW = FitOptions(epochs=8, patience=8)


@pytest.fixture(scope="module")
def deepfm():
    split = tiny_clicks()
    model = build("deepfm", split, dim=8, hidden=[32])
    fit(model, split, FitOptions(epochs=2))
    return model, split


def by_work(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that tells the parameters of the network in place of time."""
    asked: list[float] = []

    def clock(models, split, rows=1, **_):
        from recprune.evaluation.speed import Speed

        (model,) = models.values()
        asked.append(float(sum(p.numel() for n, p in model.named_parameters() if "tower" in n)))
        return dict.fromkeys(models, Speed(asked[-1], asked[-1], asked[-1], rows, 1, "cpu", ()))

    monkeypatch.setattr(meet, "timed", clock)
    return asked


def test_the_plan_takes_no_more_than_it_must_to_be_fast_enough(deepfm, monkeypatch):
    model, split = deepfm
    asked = by_work(monkeypatch)
    plan(model, split, budget=Budget(milliseconds=1e9), rule="magnitude")
    before = asked[0]
    chosen = plan(model, split, budget=Budget(milliseconds=before / 2), rule="magnitude")
    assert asked[-1] <= before / 2
    assert asked[-1] > before / 4
    assert chosen.budget.milliseconds == before / 2


def test_what_is_fast_enough_keeps_everything(deepfm, monkeypatch):
    model, split = deepfm
    asked = by_work(monkeypatch)
    assert not plan(model, split, budget=Budget(milliseconds=1e9), rule="magnitude").kept
    assert len(asked) == 1


def test_milliseconds_out_of_reach_are_refused_with_the_fastest(deepfm, monkeypatch):
    model, split = deepfm
    by_work(monkeypatch)
    with pytest.raises(BudgetError, match="cannot be met here") as caught:
        plan(model, split, budget=Budget(milliseconds=1.0), rule="magnitude")
    assert caught.value.reachable > 1.0


def test_milliseconds_that_were_luck_are_refused_with_what_was_timed_last(deepfm, monkeypatch):
    model, split = deepfm
    luck = iter([2.0, 0.9, *[0.9] * meet.TRIES, *[1.5] * meet.SURE, 1.25])
    monkeypatch.setattr(meet, "_milliseconds", lambda *_: next(luck))
    with pytest.raises(BudgetError, match=r"smallest plan takes 1\.25 ms") as caught:
        plan(model, split, budget=Budget(milliseconds=1.0), rule="magnitude")
    assert caught.value.reachable == 1.25
    assert next(luck, None) is None


def test_a_real_clock_is_asked_too(deepfm):
    model, split = deepfm
    assert not plan(model, split, budget=Budget(milliseconds=1e6, rows=3), rule="magnitude").kept


def test_the_smallest_model_that_loses_no_more_is_given(deepfm):
    model, split = deepfm
    before = evaluate(model, split, part="valid").mean["auc"]
    small = prune(model, split, budget=Budget(max_drop=MaxDrop("auc", 0.05)), rule="taylor", options=FEW)
    after = evaluate(small.model, split, part="valid", renumber=small.renumber).mean["auc"]
    assert after >= 0.95 * before
    assert small.plan.account().bytes_after < small.plan.account().bytes_before
    stored = sum(t.numel() * t.element_size() for t in {id(t): t for t in small.model.state_dict().values()}.values())
    assert stored == small.plan.account().bytes_after


def test_an_impossible_loss_is_refused(deepfm, monkeypatch):
    model, split = deepfm
    monkeypatch.setattr(frontier, "FACTORS", (0.9,))
    monkeypatch.setattr(meet, "share_lost", lambda point, dense, metric: 0.01 * point.step)
    with pytest.raises(BudgetError, match="cannot be met") as caught:
        prune(model, split, budget=Budget(max_drop=MaxDrop("auc", 0.005)), rule="random", options=FEW)
    assert caught.value.reachable == 0.01


def test_a_loss_that_is_allowed_cannot_be_planned_without_training(deepfm):
    model, split = deepfm
    with pytest.raises(BudgetError, match=r"recprune\.prune"):
        plan(model, split, budget=Budget(max_drop=MaxDrop("auc", 0.05)))


def test_what_was_measured_has_rivals_of_its_size(deepfm):
    model, split = deepfm
    small = prune(model, split, budget=Budget(max_drop=MaxDrop("auc", 0.5)), rule="taylor", options=FEW)
    asked = small.plan.size_budget()
    assert asked.factor == small.plan.account().share_removed
    chance = by_chance(model, split, small, options=FitOptions(epochs=1))
    assert chance.plan.account().share_removed >= asked.factor
