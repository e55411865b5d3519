"""Workers of torchrun die while a checkpoint is written: those that are started again end with the same weights."""

import json
import subprocess
import sys

PROGRAM = """
import json, os, signal, sys
from pathlib import Path
import torch
from recprune import atomic
from recprune.models.mf import MF
from recprune.testing.data import tiny_split
from recprune.training.fit import FitOptions, fit
from recprune.training.together import joined

folder, faults = Path(sys.argv[1]), sys.argv[2:]
torch.set_num_threads(1)


class Deadly:
    '''The os module; of the checkpoint of some epoch, a worker dies right before it takes the place of the last one.'''

    def __getattr__(self, name):
        return getattr(os, name)

    def replace(self, here, there):
        for fault in faults:
            epoch, rank = fault.split(":")
            mark = folder / fault
            if int(epoch) == done() + 1 and not mark.exists():
                mark.touch()
                os.kill(int((folder / f"worker-{rank}").read_text()), signal.SIGKILL)
        os.replace(here, there)


def done():
    '''Epochs whose checkpoint stands.'''
    found = folder / "checkpoint"
    if not found.exists():
        return 0
    from safetensors import safe_open
    with safe_open(found, "pt") as file:
        return len(json.loads(file.metadata()["recprune"])["facts"]["history"])


with joined() as workers:
    (folder / f"worker-{workers.rank}").write_text(str(os.getpid()))
    atomic.os = Deadly()
    pairs = tiny_split(users=25)
    torch.manual_seed(0)
    model = MF(pairs.train.n_users, pairs.train.n_items, dim=4)
    options = FitOptions(epochs=4, batch=16, checkpoint=folder / "checkpoint", patience=9)
    found = fit(model, pairs, options, workers=workers)
    if workers.rank == 0:
        said = {"losses": [one.loss for one in found.history], "weights": [w.tolist() for w in model.parameters()]}
        (folder / "said.json").write_text(json.dumps(said))
"""


def ran(folder, *faults):
    """What two workers learned, of whom some die; each is started again."""
    folder.mkdir()
    (folder / "program.py").write_text(PROGRAM)
    many = ["--standalone", "--nproc-per-node", "2", "--max-restarts", str(len(faults)), "--monitor-interval", "0.1"]
    command = [sys.executable, "-m", "torch.distributed.run", *many, str(folder / "program.py"), str(folder), *faults]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert all((folder / fault).exists() for fault in faults)
    return json.loads((folder / "said.json").read_text())


def test_a_worker_that_is_lost_while_a_checkpoint_is_written_changes_nothing(tmp_path):
    """The one that writes it, and then another one."""
    assert ran(tmp_path / "lost", "2:0", "3:1") == ran(tmp_path / "whole")
