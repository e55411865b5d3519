"""`recprune train` under torchrun: one model, written once."""

import json
import subprocess
import sys

from recprune.data.store import save_split
from recprune.testing.data import tiny_split


def test_workers_of_torchrun_train_and_write_one_model(tmp_path):
    save_split(tiny_split(), tmp_path / "data")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    train = [
        "-m",
        "recprune",
        "train",
        "data",
        "--model",
        "mf",
        "--set",
        "dim=4",
        "--epochs",
        "2",
        "--json",
        "-o",
        "mf",
    ]
    done = subprocess.run([*torchrun, *train], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert said["model"] == "mf"
    assert any((tmp_path / "mf").rglob("*.safetensors"))
