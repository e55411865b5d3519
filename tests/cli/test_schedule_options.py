"""Schedules and teachers on the command line."""

import json

import pytest
from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.simulate import simulate

RUNNER = CliRunner()
APP = app()
ROLES = ("--user", "user", "--item", "item", "--time", "time")


def call(*arguments):
    return RUNNER.invoke(APP, [str(argument) for argument in arguments])


def asked(*arguments):
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "log.csv"
    simulate(30, 20, 300, 3, seed=2, noise=(3,), uniques=0).log.frame.collect().write_csv(path)
    return path


def street(log, out, *more):
    few = ("--epochs", 4, "--tune", "epochs=4", "--model", "mf", "--model-set", "dim=8", "--no-rivals")
    return call("run", log, "--no-bench", *ROLES, "--out", out, *few, *more)


def works(folder):
    return [(w["what"], w["distilled"]) for w in asked("inspect", folder)["notes"]["works"]]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("oneshot", "--distill"), [("train", False), ("finetune", True)]),
        (("gradual", "--steps", "2", "--distill"), [("train", False), ("finetune", True)]),
        (("early", "--after", "2"), [("train", False)]),
        (("rewind", "--to", "2"), [("train", False), ("rewind", False)]),
    ],
)
def test_run_follows_the_schedule_that_is_said(log, tmp_path, flags, expected):
    done = street(log, tmp_path / "out", "--schedule", *flags)
    assert done.exit_code == 0, done.output
    assert works(tmp_path / "out" / "small") == expected
    plan = asked("inspect", tmp_path / "out" / "plan.json")
    assert asked("inspect", tmp_path / "out" / "small")["parameters"] == plan["parameters_after"]


@pytest.mark.parametrize("name", ["oneshot", "gradual", "early", "rewind"])
def test_every_schedule_meets_bytes_with_cuts_and_bits(log, tmp_path, name):
    cuts = ("--bytes", 1600, "--kind", "dim", "--keep", 0.6, "--model-set", "dim=16")
    done = street(log, tmp_path / "out", "--schedule", name, *cuts, "--encoding", "int8_rows", "--steps", 2)
    assert done.exit_code == 0, done.output
    small = tmp_path / "out" / "small"
    assert (small / "weights.safetensors").stat().st_size <= 1600
    assert set(asked("inspect", small)["encodings"].values()) == {"int8_rows"}


def test_what_cannot_be_is_refused_before_anything_is_done(log, tmp_path):
    for flags, words in ((("later",), "gradual"), (("early", "--distill"), "no trained model")):
        done = street(log, tmp_path / "out", "--schedule", *flags)
        assert done.exit_code == 2
        assert words in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_cut_model_is_fine_tuned_by_a_teacher_that_knows_more_ids(log, tmp_path):
    big, cut = tmp_path / "big", tmp_path / "cut"
    asked("prepare", log, "-o", tmp_path / "prepared", *ROLES)
    asked("train", tmp_path / "prepared", "--model", "mf", "--set", "dim=8", "--epochs", 2, "-o", big)
    asked("plan", big, "--factor", 0.3, "--kind", "id", "-o", tmp_path / "plan.json")
    asked("apply", big, tmp_path / "plan.json", "-o", cut)
    asked("finetune", cut, "--teacher", big, "--fit", "distill=0.9", "--epochs", 2, "-o", tmp_path / "taught")
    asked("finetune", cut, "--epochs", 2, "-o", tmp_path / "alone")
    assert works(tmp_path / "taught") == [("train", False), ("finetune", True)]
    assert works(tmp_path / "alone")[-1] == ("finetune", False)
    scores = [asked("evaluate", tmp_path / name)["mean"] for name in ("taught", "alone")]
    assert all(0 <= mean["recall@20"] <= 1 for mean in scores)


def test_several_teachers_of_the_same_ids_are_learned_from(log, tmp_path):
    asked("prepare", log, "-o", tmp_path / "prepared", *ROLES)
    for seed in (0, 1):
        asked(
            "train",
            tmp_path / "prepared",
            "--model",
            "mf",
            "--set",
            "dim=8",
            "--epochs",
            1,
            "--seed",
            seed,
            "-o",
            tmp_path / f"big{seed}",
        )
    asked("train", tmp_path / "prepared", "--model", "mf", "--set", "dim=2", "--epochs", 1, "-o", tmp_path / "small")
    both = ("--teacher", tmp_path / "big0", "--teacher", tmp_path / "big1")
    asked("finetune", tmp_path / "small", *both, "--epochs", 1, "-o", tmp_path / "taught")
    assert works(tmp_path / "taught") == [("train", False), ("finetune", True)]
    asked("plan", tmp_path / "big1", "--factor", 0.3, "--kind", "id", "-o", tmp_path / "plan.json")
    asked("apply", tmp_path / "big1", tmp_path / "plan.json", "-o", tmp_path / "cut")
    mixed = ("--teacher", tmp_path / "big0", "--teacher", tmp_path / "cut")
    done = call("finetune", tmp_path / "small", *mixed, "-o", tmp_path / "no")
    assert done.exit_code == 2
    assert "knows other ids" in done.stderr
    assert not (tmp_path / "no").exists()
