"""One run of pruning in steps gives the frontier of quality against bytes."""

from dataclasses import replace

import pytest

from recprune.errors import BudgetError, DataError
from recprune.evaluation.evaluate import evaluate
from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.recipe.frontier import Frontier, frontier, points, rising
from recprune.recipe.stages import silent
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions, fit

FEW = FitOptions(epochs=2, patience=2)


@pytest.fixture(scope="module")
def deepfm():
    split = tiny_clicks()
    model = build("deepfm", split, dim=8, hidden=[32])
    fit(model, split, FitOptions(epochs=2))
    return model, split


def test_every_stop_is_smaller_and_is_judged_as_floats_and_in_fewer_bits(deepfm):
    model, split = deepfm
    found = frontier(model, split, factors=(0.3, 0.6), options=FEW)
    floats = [p for p in found.points if not p.encoding]
    assert [p.step for p in floats] == [0, 1, 2]
    assert [p.bytes for p in floats] == sorted((p.bytes for p in floats), reverse=True)
    assert all(p.factor >= wanted for p, wanted in zip(floats[1:], (0.3, 0.6), strict=True))
    for one in floats:
        packed = {p.encoding: p.bytes for p in found.points if p.step == one.step}
        assert packed["int4_rows"] < packed["int8_rows"] < one.bytes
    assert found.metric == "auc"
    assert all(p.request > 0 for p in found.points)


def test_users_who_left_a_model_are_judged_with_it():
    split = tiny_split()
    model = build("mf", split, dim=4)
    fit(model, split, FEW)
    ids = Budget(0.0, kinds=frozenset({Kind.ID}))
    found = list(points(model, split, factors=(0.3,), encodings=(), budget=ids, rule="frequency", options=FEW))
    point, pruned = found[-1]
    assert (pruned.renumber["user"][1:] == 0).any()
    assert point.metrics == evaluate(pruned.model, split, "valid", renumber=pruned.renumber).mean


def test_nothing_on_the_front_is_beaten(deepfm):
    model, split = deepfm
    found = frontier(model, split, factors=(0.3, 0.6), options=FEW)
    front = [p for p in found.points if p.front]
    assert front
    for one in front:
        assert not any(p.metrics["auc"] > one.metrics["auc"] and p.bytes < one.bytes for p in found.points)
    rest = [p for p in found.points if not p.front]
    assert all(any(p.metrics["auc"] >= r.metrics["auc"] and p.bytes <= r.bytes for p in front) for r in rest)


def test_the_smallest_that_loses_little(deepfm):
    model, split = deepfm
    found = frontier(model, split, factors=(0.3, 0.6), options=FEW)
    assert found.smallest(1.0).bytes == min(p.bytes for p in found.points)
    dense = found.points[0].metrics["auc"]
    assert found.smallest(0.01).metrics["auc"] >= 0.99 * dense


def test_a_frontier_is_read_back(deepfm):
    model, split = deepfm
    found = frontier(model, split, factors=(0.5,), options=FEW)
    assert Frontier.from_json(found.to_json()) == found
    with pytest.raises(DataError, match="no frontier"):
        Frontier.from_json("{}")


def test_the_conditions_of_a_budget_hold_at_every_stop(deepfm):
    model, split = deepfm
    budget = Budget(0.0, kinds=frozenset({Kind.DIM}))
    for _, pruned in points(model, split, budget=budget, factors=(0.2, 0.4), encodings=(), options=FEW):
        if pruned is not None:
            cut = [
                pruned.plan.survey.site(n)
                for n in pruned.plan.kept
                if len(pruned.plan.leaving(pruned.plan.survey.site(n)))
            ]
            assert {site.kind for site in cut} == {Kind.DIM}


@pytest.mark.parametrize("factors", [(), (0.5, 0.3), (0.5, 1.0), (0.0, 0.5)])
def test_factors_rise_within_0_and_1(deepfm, factors):
    model, split = deepfm
    with pytest.raises(BudgetError, match="rise within"):
        frontier(model, split, factors=factors)


def test_a_factor_out_of_reach_is_refused_before_any_work_and_left_out_where_none_was_named(deepfm):
    model, split = deepfm
    budget = Budget(0.0, kinds=frozenset({Kind.NEURON}))
    said: list[str] = []

    def stage(name):
        said.append(name)
        return silent(name)

    with pytest.raises(BudgetError, match="cannot be met"):
        frontier(model, split, budget=budget, factors=(0.3, 0.99), options=FEW, stage=stage)
    assert "fine-tune" not in said
    found = frontier(model, split, budget=budget, encodings=(), options=FEW, rule="magnitude")
    assert 1 < len(found.points) < 9


def test_a_metric_that_there_is_not_is_refused_before_anything_is_pruned(deepfm):
    said: list[str] = []

    def stage(name):
        said.append(name)
        return silent(name)

    with pytest.raises(DataError, match=r"no metric 'nope' here; there are: .*auc"):
        frontier(*deepfm, factors=(0.3,), metric="nope", options=FEW, stage=stage)
    assert said == ["judge"]


def test_a_frontier_needs_validation():
    split = tiny_split()
    model = build("mf", split, dim=8)
    with pytest.raises(DataError, match="validation"):
        frontier(model, replace(split, valid=split.valid.take([])))


def test_later_stops_are_trained_for_longer():
    assert [o.epochs for o in rising(FitOptions(epochs=12), 8)] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert [o.epochs for o in rising(FitOptions(epochs=2), 4)] == [1, 1, 1, 1]
    for epochs, stops in ((24, 8), (16, 8), (30, 3)):
        counts = [o.epochs for o in rising(FitOptions(epochs=epochs), stops)]
        assert sum(counts) == epochs
        assert counts == sorted(counts)
