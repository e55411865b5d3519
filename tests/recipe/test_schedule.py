"""Schedules in the whole street: the same folders, resumable, and all trainings counted."""

import contextlib
from dataclasses import replace

import pytest
import torch

from recprune.data.simulate import simulate
from recprune.errors import TrainingError
from recprune.evaluation.inputs import example
from recprune.planning.budget import Budget, MaxDrop
from recprune.planning.plan import Plan
from recprune.recipe.pruned import usual_budget
from recprune.recipe.run import Order, run
from recprune.recipe.schedule import SCHEDULES, Schedule
from recprune.recipe.shelf import take
from recprune.surgery import apply
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions

LOG = simulate(30, 20, 300, 3, seed=2, noise=(3,), uniques=0).log
TRAINING = FitOptions(epochs=4, patience=4, threads=1)
ORDER = Order(
    "mf",
    {"dim": 8},
    TRAINING,
    replace(TRAINING, epochs=4, schedule="linear"),
    usual_budget(0.5),
    rule="magnitude",
    rivals=False,
    bench=False,
    k=5,
)
WORKS = {
    "oneshot": [("train", 4), ("finetune", 4)],
    "gradual": [("train", 4), ("finetune", 4)],
    "early": [("train", 4)],
    "rewind": [("train", 4), ("rewind", 4)],
}


def ordered(name, **options):
    return replace(ORDER, schedule=Schedule(name, **{"steps": 2, **options}))


def street(order, out, stage=None):
    more = {} if stage is None else {"stage": stage}
    return run(lambda: {"log": LOG}, order, out, source="log", **more)


def watching(seen, at=0):
    """A stage that stops at the `at`-th epoch after the large model is trained."""

    @contextlib.contextmanager
    def stage(name):
        def say(words):
            if words.startswith("epoch") and name != "train mf":
                seen.append(words)
                if len(seen) == at:
                    raise InterruptedError

        yield say

    return stage


def weights(folder):
    return take(folder).model.state_dict()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_leaves_the_same_folders_and_counts_its_trainings(name, tmp_path):
    result = street(ordered(name), tmp_path)
    small, big = take(result.small), take(tmp_path / "big")
    assert [(work.what, work.epochs) for work in small.works] == WORKS[name]
    assert result.plan.account().share_removed >= 0.5
    assert result.plan == small.plan == Plan.from_json((tmp_path / "plan.json").read_text())
    split = big.own(big.split())
    cut = apply(big.model, result.plan, example(big.model, split))
    assert {n: t.shape for n, t in cut.state_dict().items()} == {n: t.shape for n, t in weights(result.small).items()}
    there = {"prepared", "big", "plan.json", "small", "comparison.json", "run.json"}
    assert {path.name for path in tmp_path.iterdir()} == there | ({"steps"} if name == "gradual" else set())
    again = []
    street(ordered(name), tmp_path, watching(again))
    assert not again


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("at", [1, 3])
def test_a_schedule_that_was_stopped_goes_on_and_ends_alike(name, at, tmp_path):
    street(ordered(name), tmp_path / "whole")
    with pytest.raises(InterruptedError):
        street(ordered(name), tmp_path / "stopped", watching([], at))
    seen = []
    street(ordered(name), tmp_path / "stopped", watching(seen))
    assert len(seen) == 4 - at
    one, other = (weights(tmp_path / way / "small") for way in ("whole", "stopped"))
    assert all(torch.equal(one[key], other[key]) for key in one)


SMALL = Budget(bytes=1_600, kinds=frozenset({Kind.DIM}), keep=0.6)


def size(folder):
    return (folder / "weights.safetensors").stat().st_size


@pytest.mark.parametrize("name", SCHEDULES)
def test_bytes_are_met_by_the_packed_end_of_every_schedule_also_after_a_stop(name, tmp_path):
    order = replace(ordered(name), settings={"dim": 16}, budget=SMALL, encodings=("int8_rows",))
    result = street(order, tmp_path / "whole")
    assert size(result.small) == result.plan.file_bytes() <= 1_600 < size(tmp_path / "whole" / "big")
    assert result.plan.packed()
    with pytest.raises(InterruptedError):
        street(order, tmp_path / "stopped", watching([], 2))
    seen = []
    resumed = street(order, tmp_path / "stopped", watching(seen))
    assert len(seen) == 4 - 2
    assert resumed.plan == result.plan
    one, other = (weights(tmp_path / way / "small") for way in ("whole", "stopped"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_model_that_may_lose_so_much_is_found_again_after_a_stop(tmp_path):
    order = replace(ordered("gradual"), budget=Budget(max_drop=MaxDrop("ndcg@20", 0.9), keep=0.5), encodings=())
    order = replace(order, tuning=replace(TRAINING, epochs=8))
    seen = []
    street(order, tmp_path / "whole", watching(seen))
    with pytest.raises(InterruptedError):
        street(order, tmp_path / "stopped", watching([], 2))
    rest = []
    street(order, tmp_path / "stopped", watching(rest))
    assert len(rest) == len(seen) - 2
    one, other = (weights(tmp_path / way / "small") for way in ("whole", "stopped"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_another_schedule_makes_another_model_of_the_same_large_one(tmp_path):
    made = {}
    for name in SCHEDULES:
        seen = []
        made[name] = weights(street(ordered(name), tmp_path, watching(seen)).small)
        assert len(seen) == 4
    assert len({tensors["item.weight"].sum().item() for tensors in made.values()}) == len(SCHEDULES)


def test_a_distilled_one_says_so_and_learns_something_else(tmp_path):
    sums = set()
    for distilled in (False, True):
        order = replace(ordered("rewind", distilled=distilled), options=replace(TRAINING, patience=1, epochs=6))
        small = take(street(order, tmp_path).small)
        assert small.works[-1].distilled is distilled
        sums.add(small.model.item.weight.sum().item())
    assert len(sums) == 2


def test_a_schedule_that_there_is_not_is_refused():
    with pytest.raises(TrainingError, match="oneshot, gradual, early, rewind"):
        Schedule("later")
    with pytest.raises(TrainingError, match="no trained model"):
        Schedule("early", distilled=True)
