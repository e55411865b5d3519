import contextlib

import pytest
import torch

from recprune.recipe.once import key_of, once
from recprune.recipe.pruned import usual_budget
from recprune.recipe.run import run
from recprune.recipe.shelf import take


@pytest.fixture
def reads(log):
    return lambda: {"log": log}


def same_weights(one, two):
    a, b = (take(folder).model.state_dict() for folder in (one, two))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_result_names_the_smaller_model_and_holds_the_proof(reads, order, tmp_path):
    result = run(reads, order, tmp_path / "out", source="log")
    assert result.small == tmp_path / "out" / "small"
    assert result.plan.account().share_removed >= 0.5
    assert list(result.comparison.sides) == ["before", "after", "int8 rows", "int4 rows"]
    assert [work.what for work in take(result.small).works] == ["train", "finetune"]


def test_the_same_seed_gives_the_same_models(reads, order, tmp_path):
    for name in ("one", "two"):
        run(reads, order, tmp_path / name, source="log")
    assert same_weights(tmp_path / "one" / "big", tmp_path / "two" / "big")
    assert same_weights(tmp_path / "one" / "small", tmp_path / "two" / "small")


def test_a_training_that_was_stopped_goes_on_where_it_was(reads, order, tmp_path):
    class Stopped(Exception):
        pass

    @contextlib.contextmanager
    def stopping(name):
        def say(words):
            seen.append(words)
            if words.startswith("epoch 2") and name.startswith("train"):
                raise Stopped

        yield say

    seen = []
    with pytest.raises(Stopped):
        run(reads, order, tmp_path / "stopped", source="log", stage=stopping)
    assert not (tmp_path / "stopped" / "big").exists()
    seen.clear()
    run(reads, order, tmp_path / "stopped", source="log", stage=stopping)
    assert next(words.split(",")[0] for words in seen if words.startswith("epoch")) == "epoch 3"
    run(reads, order, tmp_path / "whole", source="log")
    assert same_weights(tmp_path / "stopped" / "big", tmp_path / "whole" / "big")
    assert not list((tmp_path / "stopped").glob("*.checkpoint"))


def test_a_training_that_was_given_up_leaves_nothing(reads, order, tmp_path):
    left = (
        "train-0123456789ab.checkpoint",
        ".train-0123456789ab.checkpoint.lock",
        ".small-0123456789ab.checkpoint.lock",
    )
    for name in left:
        (tmp_path / name).touch()
    run(reads, order, tmp_path, source="log")
    assert not [path.name for path in tmp_path.iterdir() if "checkpoint" in path.name]


def test_without_a_source_nothing_is_taken_for_done(reads, order, tmp_path):
    calls = []

    def reading():
        calls.append(1)
        return reads()

    for _ in range(2):
        run(reading, order, tmp_path / "out")
    assert len(calls) == 2


def test_a_key_tells_options_apart_and_does_not_depend_on_the_order_of_a_set():
    assert key_of(usual_budget(0.5)) == key_of(usual_budget(0.5)) != key_of(usual_budget(0.4))
    assert key_of(frozenset("abcdef")) == key_of(frozenset("fedcba"))


def test_once_makes_again_what_was_made_from_something_else(tmp_path):
    made = []

    def make(key):
        made.append(key)
        (tmp_path / "thing").write_text("")

    first = once(tmp_path, tmp_path / "thing", "start", {"a": 1}, make)
    assert once(tmp_path, tmp_path / "thing", "start", {"a": 1}, make) == first
    assert len(made) == 1
    assert once(tmp_path, tmp_path / "thing", "start", {"a": 2}, make) != first
    assert once(tmp_path, tmp_path / "thing", "other", {"a": 2}, make) != first
    assert len(made) == 3
