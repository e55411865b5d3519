"""Two workers learn what one does; the workers are processes that torchrun starts."""

import json
import re
import subprocess
import sys

import pytest
import torch

from recprune.errors import TrainingError
from recprune.training.draw import Drawing, uniform
from recprune.training.together import Alone, Together, _buckets, joined

PROGRAM = """
import json, os, sys
from pathlib import Path
import torch
from torch import nn
from recprune.models.deepfm import DeepFM
from recprune.models.mf import MF
from recprune.models.sasrec import SASRec
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.training.fit import FitOptions, fit
from recprune.training.together import joined

folder = Path(sys.argv[1])
torch.set_num_threads(1)
torch.cpu._is_avx512_bf16_supported = lambda: False  # factors of bfloat16 would round by batch
clicks, pairs = tiny_clicks(rows=250), tiny_split(users=25)

def models():
    torch.manual_seed(1)
    sizes = [len(v) for v in clicks.vocabularies.values()]
    few, fields = {"epochs": 3, "lr": 0.01, "patience": 9}, tuple(clicks.vocabularies)
    small = {"dim": 4, "hidden": (8,), "dropout": 0.0}
    yield "deepfm", DeepFM(fields, sizes, **small), clicks, few | {"batch": 31}
    yield "hidden codes", DeepFM(fields, sizes, **small, norm=False), clicks, few | {"batch": 31, "unknown": 0.2}
    for loss in ("softmax", "sampled_softmax", "bpr"):
        yield f"mf {loss}", MF(pairs.train.n_users, pairs.train.n_items, dim=4), pairs, few | {
            "batch": 17, "loss": loss, "negatives": 5}
    for loss in ("softmax", "sampled_softmax"):
        model = SASRec(pairs.train.n_items, dim=8, length=4, layers=1, heads=2, dropout=0.0)
        yield f"sasrec {loss}", model, pairs, few | {"batch": 7, "loss": loss, "negatives": 5}

with joined() as workers:
    said = {}
    for name, model, split, options in models():
        done = fit(model, split, FitOptions(**options), workers=workers)
        if workers.rank == 0:
            torch_state = {key: value.tolist() for key, value in model.state_dict().items()}
            said[name] = {"history": [[e.loss, e.value] for e in done.history], "weights": torch_state}
    half = MF(pairs.train.n_users, pairs.train.n_items, dim=4)
    torch.manual_seed(5 + workers.rank)
    nn.init.normal_(half.user.weight)  # differs among workers, until they begin together
    options = FitOptions(epochs=2, batch=16, checkpoint=folder / f"half-{workers.size}", patience=9)
    fit(half, pairs, options, workers=workers)
    said["state"] = {"moved": getattr(workers, "moved", 0), "size": workers.size}
    if workers.rank == 0:
        (folder / f"said-{workers.size}.json").write_text(json.dumps(said))
"""


def ran(folder, size, program=PROGRAM):
    (folder / "program.py").write_text(program)
    many = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)] if size > 1 else []
    command = [sys.executable, *many, str(folder / "program.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What one worker learned, and what two did."""
    folder = tmp_path_factory.mktemp("together")
    for size in (1, 2):
        ran(folder, size)
    return folder, [json.loads((folder / f"said-{size}.json").read_text()) for size in (1, 2)]


NAMES = ["deepfm", "hidden codes", "mf softmax", "mf sampled_softmax", "mf bpr", "sasrec softmax"]
BY_ROUNDING = {"deepfm": r"tower.*(0\.bias|running_mean)", "sasrec": r".*\.k\.bias"}
"""Weights that no loss depends on: a bias before a norm, and one that all shares of an attention have in common. Their
gradients are rounding, which Adam makes steps of its full size from."""


def moved_by_rounding(name, key):
    return name.split()[0] in BY_ROUNDING and re.fullmatch(BY_ROUNDING[name.split()[0]], key)


@pytest.mark.parametrize("name", [*NAMES, "sasrec sampled_softmax"])
def test_two_workers_learn_what_one_does(both, name):
    one, two = (said[name] for said in both[1])
    for (loss, _), (mine, _) in zip(one["history"], two["history"], strict=True):
        assert mine == pytest.approx(loss, abs=2e-4)
    for key, weights in one["weights"].items():
        if not moved_by_rounding(name, key):
            torch.testing.assert_close(torch.tensor(two["weights"][key]), torch.tensor(weights), atol=2e-3, rtol=1e-2)


def test_a_bias_before_a_norm_moves_by_rounding_alone_and_changes_no_loss(both):
    one, two = (said["deepfm"]["history"] for said in both[1])
    assert [loss for loss, _ in two] == pytest.approx([loss for loss, _ in one], abs=1e-5)


def test_gradients_are_counted_as_they_are_sent(both):
    alone, together = (said["state"] for said in both[1])
    assert (alone["moved"], alone["size"]) == (0, 1)
    assert together["size"] == 2
    assert together["moved"] > 0


def test_a_training_of_two_goes_on_with_one(both):
    from recprune.models.mf import MF
    from recprune.testing.data import tiny_split
    from recprune.training.fit import FitOptions, fit

    pairs = tiny_split(users=25)
    model = MF(pairs.train.n_users, pairs.train.n_items, dim=4)
    options = FitOptions(epochs=2, batch=16, checkpoint=both[0] / "half-2", patience=9)
    done = fit(model, pairs, options)
    assert len(done.history) == 2
    assert done.seconds < 60


def test_without_torchrun_there_is_one_worker(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as workers:
        assert (type(workers), workers.rank, workers.size) == (Alone, 0, 1)


def test_a_process_group_that_is_there_is_joined_and_left_as_it_is(tmp_path):
    import torch.distributed as dist

    from recprune.models.mf import MF
    from recprune.testing.data import tiny_split
    from recprune.training.fit import FitOptions, fit

    split, weights = tiny_split(), []
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        with joined() as workers:
            assert (type(workers), workers.rank, workers.size) == (Together, 0, 1)
            for those in (workers, Alone()):
                torch.manual_seed(0)
                model = MF(split.train.n_users, split.train.n_items, dim=4)
                fit(model, split, FitOptions(epochs=2, batch=16), workers=those)
                weights.append(model.item.weight.detach().clone())
        assert dist.is_initialized()
    finally:
        dist.destroy_process_group()
    assert torch.equal(*weights)


def test_what_is_drawn_for_rows_is_parted_and_what_is_drawn_for_a_batch_is_not():
    whole = torch.rand((6, 2), generator=torch.Generator().manual_seed(3))
    parts = []
    for begin, end in ((0, 2), (2, 6)):
        drawing = Drawing()
        drawing.manual_seed(3)
        drawing.share = (begin, end, 6)
        parts.append(uniform((end - begin, 2), drawing, of_rows=True))
        assert torch.equal(uniform((3,), drawing, of_rows=False), parts_after(whole))
    assert torch.equal(torch.cat(parts), whole)


def parts_after(whole):
    generator = torch.Generator().manual_seed(3)
    torch.rand(whole.shape, generator=generator)
    return torch.rand((3,), generator=generator)


def test_a_loss_over_what_was_drawn_is_refused():
    with pytest.raises(TrainingError, match="not parted among workers"):
        Together(rank=0, size=2).check("multinomial")
    Alone().check("multinomial")


def test_small_gradients_go_together_and_large_ones_alone():
    small, large = torch.zeros(10), torch.zeros(1 << 23)
    assert [len(some) for some in _buckets([small, small, large, small, small.double()])] == [2, 1, 1, 1]
    assert list(_buckets([])) == []


def test_gradients_of_every_shape_are_added_up(tmp_path, monkeypatch):
    """A table that has a bucket of its own among them."""
    import torch.distributed as dist
    from torch import nn

    monkeypatch.setattr("recprune.training.together.BUCKET", 64)
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in ((20, 4), (3,), (2, 2), (7, 5, 3), ())]
    for number, one in enumerate(parameters):
        one.grad = torch.arange(one.numel(), dtype=torch.float32).view(one.shape) + number
    parameters[3].grad = torch.ones(3, 5, 7).transpose(0, 2)
    before = [one.grad.clone() for one in parameters]
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        workers = Together(rank=0, size=1)
        workers.add_up(parameters)
    finally:
        dist.destroy_process_group()
    assert all(torch.equal(one.grad, was) for one, was in zip(parameters, before, strict=True))
    assert workers.moved == 4 * sum(one.numel() for one in parameters)
