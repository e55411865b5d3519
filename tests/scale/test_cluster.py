"""A cluster of several nodes on this machine: nodes are slow, full or lost, and so is the head."""

import hashlib
import json
import os
import subprocess
import sys
import time

import polars as pl
import pytest
from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.store import save_split
from recprune.models.build import build
from recprune.recipe.shelf import Shelved, put
from recprune.scale import Scale, prepare_large
from recprune.testing.data import tiny_split

SMALL = {"object_store_memory": 80 << 20, "num_cpus": 1}

FAULTS = '''
"""Engines on which something goes wrong on one node, the first one but the head that is given a task."""
import errno, os, signal, time
from functools import partial
from pathlib import Path
from recprune.scale import pieces
from recprune.scale.engines.ray import Ray



def met(name, marks, head):
    """Whether this is the node that it happens on."""
    import ray
    here = ray.get_runtime_context().get_node_id()
    if here == head:
        return False
    try:
        with (marks / name).open("x") as file:
            file.write(here)
    except FileExistsError:
        pass
    return (marks / name).read_text() == here


def slowly(function, marks, head, number):
    if met("slow node", marks, head):
        time.sleep(0.05)
    return function(number)


class FullDisk:
    def __getattr__(self, name):
        return getattr(os, name)

    def replace(self, here, there):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(there))


def to_a_full_disk(function, marks, head, number):
    pieces.os = FullDisk() if met("full node", marks, head) else os
    try:
        return function(number)
    finally:
        pieces.os = os


def lost(function, marks, head, number):
    once = marks / "lost once"
    if met("lost node", marks, head) and not once.exists():
        once.touch()
        os.kill(os.getppid(), signal.SIGKILL)  # the raylet, with which its node goes
        time.sleep(60)
    return function(number)


class Faulty(Ray):
    def how(self, function):
        return partial(self.wrapped, function, Path(os.environ["MARKS"]), os.environ["HEAD"])

    def map(self, function, numbers):
        return super().map(self.how(function), numbers)

    def trials(self, function, numbers):
        return super().trials(self.how(function), numbers)


class Slow(Faulty):
    wrapped = staticmethod(slowly)


class Full(Faulty):
    wrapped = staticmethod(to_a_full_disk)


class Lost(Faulty):
    wrapped = staticmethod(lost)
'''

RUN = """
import json, sys
import faults
from recprune.errors import DataError
from recprune.scale import Scale, prepare_large

def ran(name, engine):
    try:
        return prepare_large("log.csv", name, cleaning={"k_core": 3}, scale=Scale(engine, 3, 1 << 18))["rows"]
    except DataError as error:
        return ["DataError", str(error).split(": ", 1)[1].split(".")[0]]

said = {"slow": ran("slow", "faults:Slow")}
said["full"] = [ran("full", "faults:Full"), ran("full", "ray")]
said["lost"] = ran("lost", "faults:Lost")
print(json.dumps(said))
"""


def cluster():
    """One with a head, which keeps a core of its own for work."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'recprune[ray]'")
    from recprune.scale.engines.ray import imported

    imported()
    from ray.cluster_utils import Cluster

    return Cluster(initialize_head=True, connect=False, head_node_args={**SMALL, "include_dashboard": False})


def variables(made, folder):
    """What a command needs to find it."""
    paths = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    more = {"RAY_ADDRESS": made.address, "PYTHONPATH": paths, "MARKS": str(folder), "HEAD": made.head_node.node_id}
    return {**os.environ, **more, "OMP_NUM_THREADS": "1"}


def content(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def log(folder):
    rows = [(f"u{n * 7 % 90}", f"i{n * n % 61}", n) for n in range(3000)]
    pl.DataFrame(rows, schema=["user", "item", "timestamp"], orient="row").write_csv(folder / "log.csv")


def test_nodes_that_are_slow_full_or_lost_change_nothing(tmp_path):
    made = cluster()
    try:
        for _ in range(2):
            made.add_node(**SMALL)
        log(tmp_path)
        (tmp_path / "faults.py").write_text(FAULTS)
        environment = variables(made, tmp_path)
        run = subprocess.run(
            [sys.executable, "-c", RUN], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
    finally:
        made.shutdown()
    assert run.returncode == 0, run.stderr[-3000:]
    wanted = prepare_large(
        tmp_path / "log.csv", tmp_path / "wanted", cleaning={"k_core": 3}, scale=Scale(memory=1 << 18)
    )
    assert json.loads(run.stdout.splitlines()[-1]) == {
        "slow": wanted["rows"],
        "full": [["DataError", "No space left on device"], wanted["rows"]],
        "lost": wanted["rows"],
    }
    assert (tmp_path / "lost once").exists()
    for name in ("slow", "full", "lost"):
        assert content(tmp_path / name) == content(tmp_path / "wanted")


def test_a_head_that_is_killed_is_told_and_the_same_command_goes_on(tmp_path, monkeypatch):
    pytest.importorskip("ray.tune", reason="Ray Tune is not installed: pip install 'recprune[sweep]'")
    split = tiny_split()
    save_split(split, tmp_path / "data")
    model = build("mf", split, dim=8, seed=1)
    put(tmp_path / "mf", Shelved(tmp_path / "mf", model, split.vocabularies, None, (), tmp_path / "data"))
    command = ["sweep", "mf", "--rule", "magnitude", "--seeds", "5", "--epochs", "1"]
    asked, trials = ["-o", "out", "--engine", "ray"], tmp_path / "out" / "trials"
    first = cluster()
    try:
        here = variables(first, tmp_path)
        run = subprocess.Popen(
            [sys.executable, "-m", "recprune", *command, *asked], cwd=tmp_path, env=here, stderr=subprocess.PIPE
        )
        while run.poll() is None and not (trials.is_dir() and list(trials.glob("[0-9a-f]*/trial.json"))):
            time.sleep(0.02)
        first.head_node.kill_all_processes(check_alive=False, allow_graceful=False, wait=False)
        said = run.communicate(timeout=120)[1].decode()
    finally:
        first.shutdown()
    assert run.returncode == 2, said
    assert "does not answer" in said
    assert "run the same command again" in said
    left = {path: path.stat().st_mtime_ns for path in trials.glob("[0-9a-f]*/trial.json")}
    assert 1 <= len(left) < 16
    monkeypatch.chdir(tmp_path)
    for out in ("out", "wanted"):
        again = CliRunner().invoke(app(), [*command, "-o", out])
        assert again.exit_code == 0, again.output
    assert all(path.stat().st_mtime_ns == moment for path, moment in left.items())
    assert table(tmp_path / "out") == table(tmp_path / "wanted")


def table(folder):
    """All of a sweep but its milliseconds."""
    said = json.loads((folder / "sweep.json").read_text())
    for row in said["rows"]:
        row["point"].pop("request")
    return said
