import pytest

from recprune.evaluation.evaluate import evaluate
from recprune.planning.budget import Budget, MaxDrop
from recprune.studio.scored import scored
from recprune.studio.sought import drops_of, fast, times_of, within
from recprune.training.options import FitOptions


def test_the_usual_metric_stands_first_and_no_drop_below_guessing_is_offered(at_desk):
    desk = at_desk("clicks")
    drops = drops_of(desk.whole.model, desk.split)["metrics"]
    found = evaluate(desk.whole.model, desk.split, "valid").mean
    assert drops[0]["name"] == "auc"
    assert {one["name"]: one["value"] for one in drops} == {name: value for name, value in found.items() if value}
    assert drops[0]["value"] * (1 - drops[0]["most"]) >= 0.499
    assert {one["name"]: one["falls"] for one in drops}["logloss"] is False


def test_what_takes_no_time_at_all_is_the_model_as_it_is(at_desk):
    desk = at_desk("lists")
    said = scored(desk.whole.model, desk.split, desk.found, "magnitude")
    ends = times_of(desk.whole.model, desk.split, desk.found, said, Budget(milliseconds=1.0))
    assert min(ends.values()) > 0
    found = fast(desk.whole.model, desk.split, desk.found, said, Budget(milliseconds=1e5))
    assert not found.plan.kept
    assert found.made is None
    assert found.goal.before == found.goal.after


@pytest.mark.parametrize("bits", [True, False])
def test_a_loss_is_held_by_the_model_that_is_written_in_bits_or_without(at_desk, bits):
    desk = at_desk("lists")
    budget = Budget(max_drop=MaxDrop("ndcg@20", 0.5), keep=0.5)
    found = within(desk.whole.model, desk.split, "magnitude", budget, FitOptions(epochs=8), bits=bits)
    assert found.made.pruned.plan is found.plan
    assert bool(found.plan.encodings) == bits
    codes = found.made.pruned.renumber or None
    assert evaluate(found.made.pruned.model, desk.split, "valid", renumber=codes).mean["ndcg@20"] == found.goal.after
