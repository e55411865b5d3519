"""The scripts that kill and mutate, in the size of a test; by themselves they go on for a thousand and a million."""

import importlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or not (ROOT / "scripts" / "kill_writes.py").exists(),
    reason="needs a POSIX system and the scripts of a clone",
)


def said_by(script: str, *words: str) -> tuple[int, dict[str, object]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(ROOT / "scripts" / script), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_nothing_is_torn_by_two_hundred_kills_and_training_goes_on_bit_by_bit():
    code, said = said_by("kill_writes.py", "--kills", "200")
    assert (code, said["torn"]) == (0, [])
    assert sum(said["kills"].values()) == 200
    assert said["calls"] > 10


def test_ten_thousand_mutated_artifacts_are_loaded_or_refused_and_nothing_else():
    code, said = said_by("fuzz_artifact.py", "--cases", "10000")
    assert (code, said["failed"], said["first"]) == (0, 0, [])
    assert said["loaded"] + said["refused"] == 10_000
    assert min(said["loaded"], said["refused"]) > 500


def test_mutated_artifacts_are_the_same_however_many_processes_judge_them(tmp_path: Path):
    words = ("fuzz_artifact.py", "--seed", "1", "--state", str(tmp_path / "s.json"), "--cases")
    said_by(*words, "120", "--jobs", "2")
    _, gone_on = said_by(*words, "300", "--jobs", "3")
    _, alone = said_by("fuzz_artifact.py", "--seed", "1", "--cases", "300")
    assert {**gone_on, "seconds": 0} == {**alone, "seconds": 0}
    assert min(alone["loaded"], alone["refused"]) > 10


@pytest.fixture
def run_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    module = importlib.import_module("run_state")
    monkeypatch.setattr(module, "commit_of", lambda: "abc")
    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    yield module
    for one, what in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
        signal.signal(one, what)


def drawn(state: object, cases: int, stop_at: int | None = None) -> list[int]:
    """What a run finds whose cases are drawn, until it is ended from outside."""
    for number in state.left(cases):
        said = random.Random(number).choice(["even", "odd"])
        state.counts[said] += 1
        if number % 7 == 0:
            state.odd.append(str(number))
        if number == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
    return [state.done, *state.counts.values(), *map(int, state.odd)]


def test_a_run_that_was_ended_goes_on_and_comes_to_the_same_end(run_state: ModuleType, tmp_path: Path):
    def fresh(path: Path | None) -> object:
        return run_state.State.read(path, {"seed": 1}, {"even": 0, "odd": 0})

    with pytest.raises(SystemExit) as ended:
        drawn(fresh(tmp_path / "s.json"), 50, stop_at=19)
    assert ended.value.code == 128 + signal.SIGTERM
    half = fresh(tmp_path / "s.json")
    assert half.done == 20
    assert drawn(half, 50) == drawn(fresh(None), 50)


def test_of_cases_in_blocks_the_first_is_told_and_all_are_behind(run_state: ModuleType, tmp_path: Path):
    state = run_state.State.read(tmp_path / "s.json", {"seed": 1}, {})
    assert [(first, state.done) for first in state.left(25, 10)] == [(0, 0), (10, 10), (20, 20)]
    again = run_state.State.read(tmp_path / "s.json", {"seed": 1}, {})
    assert (again.done, list(again.left(30, 10)), again.done) == (25, [25], 30)


def test_a_run_of_another_commit_or_other_options_is_not_gone_on_with(
    run_state: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    drawn(run_state.State.read(tmp_path / "s.json", {"seed": 1}, {"even": 0, "odd": 0}), 3)
    with pytest.raises(SystemExit, match="remove it first"):
        run_state.State.read(tmp_path / "s.json", {"seed": 2}, {"even": 0, "odd": 0})
    monkeypatch.setattr(run_state, "commit_of", lambda: "abd")
    with pytest.raises(SystemExit, match="remove it first"):
        run_state.State.read(tmp_path / "s.json", {"seed": 1}, {"even": 0, "odd": 0})
