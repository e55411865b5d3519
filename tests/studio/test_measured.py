import pytest

from recprune.errors import DataError
from recprune.evaluation.evaluate import evaluate
from recprune.recipe.prune import plan
from recprune.studio.job import Job
from recprune.studio.measured import made, measured, tuning_of


def measure(desk, factor=0.5, epochs=0, **more):
    job = Job(1, "measure", 4)
    chosen = plan(desk.whole.model, desk.split, factor, rule="magnitude")
    small = made(desk.whole.model, desk.split, chosen, tuning_of(desk.whole.model, desk.split, epochs, 0), job)
    return small, measured(desk.whole.model, desk.split, small, job, repeats=5, **more)


@pytest.mark.parametrize("name", ["lists", "clicks", "solved"])
def test_both_models_are_judged_on_validation_alone(at_desk, name):
    desk = at_desk(name)
    small, found = measure(desk, epochs=1, k=3)
    codes = small.pruned.renumber or None
    for side, model, renumber in (("before", desk.whole.model, None), ("after", small.pruned.model, codes)):
        assert found[side]["metrics"] == dict(evaluate(model, desk.split, "valid", k=3, renumber=renumber).mean)
    account = small.pruned.plan.account()
    assert found["after"]["parameters"] == account.parameters_after
    assert (found["part"], found["cases"]) == ("valid", 48 if name == "clicks" else 24)
    assert {one["metric"] for one in found["differences"]} == set(found["before"]["metrics"])
    for one in found["times"].values():
        assert one["before"]["rows"] == one["after"]["rows"]
        assert one["ratio"]["low"] <= one["ratio"]["median"] <= one["ratio"]["high"]
    assert found["times"]["request"]["before"]["rows"] == 1


def test_a_model_that_nothing_left_is_as_good_as_it_was(at_desk):
    found = measure(at_desk("lists"), factor=0.0)[1]
    assert found["before"]["metrics"] == found["after"]["metrics"]
    assert {one["verdict"] for one in found["differences"]} <= {"equal", "not tested"}
    assert found["verdict"].endswith("0.0% of the bytes and 0.0% of the parameters are gone.")
    assert found["losses"]
    assert not any(words in found["verdict"] or "test item" in words for words in found["losses"])


def test_what_was_made_is_known_again_by_its_plan_and_its_training(at_desk):
    desk = at_desk("lists")
    small, _ = measure(desk, epochs=1)
    chosen, other = (plan(desk.whole.model, desk.split, factor, rule="magnitude") for factor in (0.5, 0.6))
    assert small.of(chosen, tuning_of(desk.whole.model, desk.split, 1, 0))
    assert not small.of(other, tuning_of(desk.whole.model, desk.split, 1, 0))
    assert not small.of(chosen, tuning_of(desk.whole.model, desk.split, 2, 0))
    assert not small.of(chosen, tuning_of(desk.whole.model, desk.split, 0, 0))


def test_data_without_validation_are_refused(at_desk):
    desk = at_desk("lists")
    desk.split.valid.columns.update({name: values[:0] for name, values in desk.split.valid.columns.items()})
    with pytest.raises(DataError, match="valid"):
        measure(desk)
