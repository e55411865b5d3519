"""The scripts that kill and mutate, in the size of a test; by themselves they go on for a thousand and a million."""

import json
import os
import subprocess
import sys
from pathlib import Path

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
