"""Workers die, disks are full, runs are cut off: the result is the same."""

import errno
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from recprune.data.store import save_split
from recprune.errors import DataError
from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.recipe.prepare import SplitBy
from recprune.recipe.shelf import Shelved, put
from recprune.scale import Scale, pieces, prepare_large
from recprune.scale.sweep import sweep
from recprune.testing.data import tiny_split
from recprune.training.options import FitOptions

HOW = {"cleaning": {"k_core": 3}, "by": SplitBy("random"), "scale": Scale(memory=1 << 17)}
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "kill_workers.py"


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def wanted(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wanted") / "out"
    return prepare_large(text, folder, **HOW), files(folder)


class Full:
    """A disk on which the n-th file finds no room, counted from 1; of the os module, all else is as it is."""

    def __init__(self, at):
        self.left = at

    def __getattr__(self, name):
        return getattr(os, name)

    def replace(self, here, there):
        self.left -= 1
        if not self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(there))
        os.replace(here, there)


@pytest.fixture(scope="module")
def written(text, tmp_path_factory):
    """How many files a run writes."""
    never = Full(0)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pieces, "os", never)
        prepare_large(text, tmp_path_factory.mktemp("counted") / "out", **HOW)
    return -never.left


@pytest.mark.parametrize("seed", range(6))
def test_a_run_that_finds_its_disk_full_at_any_file_goes_on_later(text, tmp_path, monkeypatch, wanted, written, seed):
    moments = random.Random(seed)
    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(pieces, "os", Full(moments.randrange(1, written // 2)))
            with pytest.raises(DataError, match=r"cannot be written: No space left on device\. .*goes on"):
                prepare_large(text, tmp_path / "out", **HOW)
        assert not (tmp_path / "out").exists()
        assert not list((tmp_path / ".out.work").rglob("*.tmp"))
    assert prepare_large(text, tmp_path / "out", **HOW) == wanted[0]
    assert files(tmp_path / "out") == wanted[1]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def loaded():
    spec = importlib.util.spec_from_file_location("kill_workers", SCRIPT)
    script = sys.modules["kill_workers"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_what_came_of_killed_workers_becomes_a_table(monkeypatch, tmp_path):
    pytest.importorskip("psutil")
    monkeypatch.syspath_prepend(SCRIPT.parent)
    monkeypatch.syspath_prepend(SCRIPT.parents[1])
    result = importlib.import_module("benchmarks.result")
    monkeypatch.setattr(result, "FOLDER", tmp_path)
    monkeypatch.setattr(result, "commit", lambda: "here")
    script = loaded()
    script.kept([["cut", 3, 2, 0]], script.parsed(["--kills", "2"]))
    found = json.loads((tmp_path / "kill_workers.json").read_text())
    assert found["rows"] == [["cut", 3, 2, 0]]
    assert found["command"] == "python scripts/kill_workers.py --kills 2 --result"


@pytest.mark.parametrize("stages", [["settle", "core-0000", "numbered"], ["score", "cut"], ["sweep"]], ids=" ".join)
def test_a_stage_whose_workers_die_gives_the_same(ray, capsys, monkeypatch, stages):
    pytest.importorskip("psutil")
    monkeypatch.syspath_prepend(SCRIPT.parent)  # it asks run_state
    if "sweep" in stages:
        pytest.importorskip("ray.tune", reason="Ray Tune is not installed: pip install 'recprune[sweep]'")
    script = loaded()
    assert script.main(["--kills", "1", "--rows", "1500", "--stages", *stages]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.split()[:1] and line.split()[0] in stages]
    assert [line.split()[0] for line in said] == stages
    assert all(line.split()[1] == line.split()[6] for line in said), said  # as many the same as there were runs
    assert sum(int(line.split()[3]) for line in said) > 0


SWEEPING = """
import sys
from recprune.planning.budget import Budget
from recprune.scale.sweep import sweep
from recprune.training.options import FitOptions
sweep(["mf"], "out", budgets=[Budget(0.3), Budget(0.5), Budget(0.7)], seeds=range(6),
      options=FitOptions(epochs=1, batch=64), rules=["magnitude"])
"""


def test_a_sweep_that_is_killed_goes_on_and_gives_the_same(tmp_path):
    split = tiny_split()
    save_split(split, tmp_path / "data")
    model = build("mf", split, dim=8, seed=1)
    put(tmp_path / "mf", Shelved(tmp_path / "mf", model, split.vocabularies, None, (), tmp_path / "data"))
    run = subprocess.Popen([sys.executable, "-c", SWEEPING], cwd=tmp_path)
    done = tmp_path / "out" / "trials"
    while run.poll() is None and (not done.is_dir() or len(list(done.iterdir())) < 4):
        time.sleep(0.005)
    run.kill()
    assert run.wait() == -signal.SIGKILL
    left = {path: (path / "trial.json").stat().st_mtime_ns for path in done.iterdir() if path.name[0] != "."}
    asked = {"budgets": [Budget(0.3), Budget(0.5), Budget(0.7)], "seeds": range(6), "rules": ["magnitude"]}
    asked["options"] = FitOptions(epochs=1, batch=64)
    again, wanted = (sweep([tmp_path / "mf"], tmp_path / out, **asked) for out in ("out", "wanted"))
    assert [replace(row.point, request=0) for row in again.rows] == [
        replace(row.point, request=0) for row in wanted.rows
    ]
    assert 1 <= len(left) < 19
    assert all((path / "trial.json").stat().st_mtime_ns == moment for path, moment in left.items())
    assert not [path.name for path in done.iterdir() if path.name[0] == "."]
