import shlex
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from recprune.artifact import inspect
from recprune.cli import app
from recprune.planning.budget import Budget
from recprune.report.commands import commands, exact
from recprune.report.lacking import no_comparison, no_frontier, no_plan


@pytest.mark.parametrize("run", ["lists_run", "clicks_run"])
def test_the_commands_make_both_models_again_to_the_bit(run, request, found_in, tmp_path, monkeypatch):
    place = request.getfixturevalue(run)
    found = found_in(place)
    assert exact(found)
    monkeypatch.chdir(tmp_path)
    lines = commands(found).splitlines()
    assert [shlex.split(line)[1] for line in lines] == ["train", "plan", "apply", "finetune", "compare", "report"]
    for line in lines[:4]:
        done = CliRunner().invoke(app(), shlex.split(line)[1:])
        assert done.exit_code == 0, done.output
    for name in ("big", "small"):
        first, again = (inspect(folder / name)["files"] for folder in (place / "out", tmp_path / "again"))
        assert first["weights.safetensors"] == again["weights.safetensors"]


def test_a_budget_is_said_as_its_flags_say_it(lists_run, found_in):
    found = found_in(lists_run)
    plan = replace(found.plan, budget=Budget(bytes=1000, floor=2, keep=0.25, sites=frozenset({"user.id"})))
    words = commands(replace(found, plan=plan)).splitlines()[1]
    assert "--bytes 1000 --keep 0.25 --floor 2 --site user.id" in words


def test_ids_and_paths_cannot_add_a_command(lists_run, found_in, tmp_path):
    found = found_in(lists_run)
    places = replace(found.places, small=tmp_path / "a; rm -rf $HOME")
    line = commands(replace(found, places=places)).splitlines()[2]
    assert shlex.split(line)[3] == str(tmp_path / "a; rm -rf $HOME" / "plan.json")


def test_what_was_made_in_more_steps_is_said_to_come_near(lists_run, found_in):
    found = found_in(lists_run)
    packed = replace(found.plan, encodings={"item.weight": "int8_rows"})
    assert not exact(replace(found, plan=packed))
    assert not exact(replace(found, plan=None, no_plan="x"))


def test_of_a_class_of_ones_own_every_command_names_it(lists_run, found_in):
    found = found_in(lists_run)
    said = {**found.said, "big": {**found.said["big"], "foreign": True, "model": "mine.shop:Shop"}}
    theirs = replace(found, said=said, comparison=None)
    for line in commands(theirs).splitlines()[1:]:
        assert "--class mine.shop:Shop" in line
    how = [no_comparison(theirs, "x").how, no_frontier(theirs).how, no_plan(theirs, "x").how]
    assert all("--class mine.shop:Shop" in one for one in how)
    assert "--class" not in commands(found) + no_frontier(found).how
