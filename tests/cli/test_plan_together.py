"""`recprune train`, `plan` and `finetune` under torchrun: one model, one plan, those of one worker."""

import json
import subprocess
import sys

from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.store import save_split
from recprune.recipe.shelf import read_plan
from recprune.testing.data import tiny_split

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "recprune"]


def alone(*words: str) -> None:
    done = CliRunner().invoke(app(), list(words))
    assert done.exit_code == 0, done.output


def together(folder, *words: str) -> dict:
    done = subprocess.run([*TORCHRUN, *words, "--json"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_workers_of_torchrun_write_the_plan_of_one_and_tune_one_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_split(tiny_split(), tmp_path / "data")
    train = ["train", "data", "--model", "mf", "--set", "dim=4", "--epochs", "2"]
    together(tmp_path, *train, "--shard-tables", "100B", "-o", "mf")
    wanted = ["plan", "mf", "--factor", "0.4", "--rule", "taylor"]
    alone(*wanted, "-o", "one.json")
    together(tmp_path, *wanted, "-o", "two.json")
    one, two = read_plan(tmp_path / "one.json"), read_plan(tmp_path / "two.json")
    assert {name: list(units) for name, units in one.kept.items()} == {n: list(units) for n, units in two.kept.items()}
    alone("apply", "mf", "two.json", "-o", "small")
    said = together(tmp_path, "finetune", "small", "--epochs", "2", "-o", "tuned")
    assert said["folder"] == "tuned"
    assert any((tmp_path / "tuned").rglob("*.safetensors"))
