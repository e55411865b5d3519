"""Tables in shards learn what whole ones learn; the workers are processes that torchrun starts."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from recprune.errors import ArtifactError, TrainingError
from recprune.models.mf import MF
from recprune.models.sasrec import SASRec
from recprune.scale.compact import compact_shards
from recprune.scale.cost import step_cost
from recprune.testing.data import tiny_split
from recprune.training.fit import FitOptions, fit
from recprune.training.sharded import ShardedEmbedding, shard, shards_of, step_of
from recprune.training.together import Alone, Together

PROGRAM = """
import json, os, shutil, signal, sys
from pathlib import Path
import torch
from torch import nn
from recprune.atomic import write_bytes
from recprune.models.deepfm import DeepFM
from recprune.models.mf import MF
from recprune.models.sasrec import SASRec
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.tracing.weightless import weightless
from recprune.training import shard_files
from recprune.training.fit import FitOptions, fit
from recprune.training.sharded import ShardedEmbedding, gathered, shard, shards_of
from recprune.training.together import joined

folder = Path(sys.argv[1])
torch.set_num_threads(1)
torch.cpu._is_avx512_bf16_supported = lambda: False  # factors of bfloat16 would round by batch
clicks, pairs = tiny_clicks(rows=250), tiny_split(users=25)
few = {"epochs": 3, "lr": 0.01, "patience": 9, "negatives": 5}

def models():
    torch.manual_seed(1)
    sizes, fields = [len(v) for v in clicks.vocabularies.values()], tuple(clicks.vocabularies)
    deepfm = DeepFM(fields, sizes, dim=4, hidden=(8,), dropout=0.0, norm=False)
    yield "deepfm", deepfm, clicks, few | {"batch": 31, "unknown": 0.2}
    for loss in ("softmax", "sampled_softmax", "bpr"):
        yield f"mf {loss}", MF(pairs.train.n_users, pairs.train.n_items, dim=4), pairs, few | {
            "batch": 17, "loss": loss}
    for loss in ("softmax", "sampled_softmax"):
        model = SASRec(pairs.train.n_items, dim=8, length=4, heads=2, dropout=0.0, start="random")
        yield f"sasrec {loss}", model, pairs, few | {"batch": 7, "loss": loss}

class Stopped(Exception):
    pass

def stop(epoch):
    if epoch.number == 2:
        raise Stopped

def trained(name, model, split, options, workers, over=0):
    parted = shard(model, workers, over=over)
    before, own = getattr(workers, "moved", 0), len(shards_of(model))
    done = fit(model, split, FitOptions(**options), workers=workers)
    moved, shapes = getattr(workers, "moved", 0) - before, {name: list(p.shape) for name, p in model.named_parameters()}
    gathered(model, workers)
    return {
        "history": [[e.loss, e.value] for e in done.history],
        "weights": {key: value.tolist() for key, value in model.state_dict().items()},
        "parted": list(parted), "own": own, "moved": moved, "shapes": shapes,
    }

def broken(path, data):
    # in the second epoch a worker dies when its shard is written and the checkpoint still names those of the first
    write_bytes(path, data)
    if "000002-00001" in path.name and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)

with joined() as workers:
    shard_files.write_bytes = broken
    _, model, split, options = [one for one in models() if one[0] == "mf bpr"][0]
    killed = trained("killed", model, split, options | {"checkpoint": folder / f"killed-{workers.size}"}, workers)
    said = {"killed": killed, "restarts": os.environ.get("TORCHELASTIC_RESTART_COUNT")}
    shard_files.write_bytes = write_bytes
    said |= {name: trained(name, model, split, options, workers) for name, model, split, options in models()}
    name, model, split, options = [one for one in models() if one[0] == "sasrec softmax"][0]
    shard(model, workers, over=0)
    try:
        fit(model, split, FitOptions(**options, checkpoint=folder / f"half-{workers.size}"), workers=workers,
            progress=stop)
    except Stopped:
        names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        said["files"] = [name for name in names if name.startswith("half")]
    if workers.rank == 0:
        unlike = shutil.ignore_patterns("kept*", "said*", "killed*", "*.py")
        shutil.copytree(folder, folder / "kept", ignore=unlike, dirs_exist_ok=True)
    if workers.size == 2:
        for how in ("half-1", "half-2"):
            _, model, split, options = [one for one in models() if one[0] == "sasrec softmax"][0]
            said[how] = trained(how, model, split, options | {"checkpoint": folder / how}, workers)
    with weightless(over=10):
        model = MF(40_000, 30, dim=2, bias=False)
    shard(model, workers, over=0, std=0.1)
    gathered(model, workers)
    said["drawn"] = [model.user.weight[[0, 19_999, 20_000, 39_999]].tolist(), float(model.user.weight.std())] \
        if workers.rank == 0 else []
    said["bytes"] = []
    for over in (1 << 40, 100):
        _, _, split, options = [one for one in models() if one[0] == "mf bpr"][0]
        model = MF(10_000, split.train.n_items, dim=4)
        said["bytes"].append(trained("", model, split, options | {"epochs": 1}, workers, over)["moved"])
    if workers.size == 2:
        table = ShardedEmbedding(torch.arange(80.0).view(40, 2) + 80 * workers.rank, 80, workers, padding_idx=3)
        begin = workers.moved
        codes = torch.tensor([[3, 70, 70], [79, 5, 41]] if workers.rank else [[3, 2, 1], [2, 40, 50]])
        found = table(codes)
        (found * torch.tensor([1.0, 2.0])).sum().backward()
        said["looked up"] = [codes.tolist(), found.tolist(), workers.moved - begin]
        said["gradients"] = [[n, *row] for n, row in enumerate(table.own.grad.tolist()) if any(row)]
        begin = workers.moved
        (table.weight[1:3].sum() * (1 + workers.rank)).backward()
        said["of the whole"] = [table.own.grad[:4].tolist(), workers.moved - begin]
    (folder / f"said-{workers.size}-{workers.rank}.json").write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What one worker learned, and what each of two did."""
    folder = tmp_path_factory.mktemp("sharded")
    (folder / "program.py").write_text(PROGRAM)
    for size in (1, 2):
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--max-restarts", "1", "--nproc-per-node", "2"]
        many = torchrun if size > 1 else []
        command = [sys.executable, *many, str(folder / "program.py"), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-4000:]
    return folder, [json.loads((folder / f"said-{name}.json").read_text()) for name in ("1-0", "2-0", "2-1")]


def alike(one, two):
    for (loss, value), (mine, its) in zip(one["history"], two["history"], strict=True):
        assert mine == pytest.approx(loss, abs=2e-4)
        assert its == pytest.approx(value, abs=0.02)
    for key, weights in one["weights"].items():
        torch.testing.assert_close(torch.tensor(two["weights"][key]), torch.tensor(weights), atol=2e-3, rtol=1e-2)


HALF = FitOptions(epochs=3, lr=0.01, patience=9, negatives=5, batch=7, loss="softmax")
NAMES = ["deepfm", "mf softmax", "mf sampled_softmax", "mf bpr", "sasrec softmax", "sasrec sampled_softmax"]


@pytest.mark.parametrize("name", NAMES)
def test_tables_in_shards_learn_what_whole_ones_learn(both, name):
    one, two, _ = (said[name] for said in both[1])
    alike(one, two)
    assert (one["own"], two["own"]) == (0, len(two["parted"]))
    assert two["own"] >= 2


def test_each_worker_holds_its_rows_alone(both):
    alone, first, second = (said["mf softmax"]["shapes"] for said in both[1])
    assert alone == {"bias": [17], "user.weight": [26, 4], "item.weight": [17, 4]}
    assert first == {"bias": [17], "user.weight": [13, 4], "item.weight": [9, 4]}
    assert second == {"bias": [17], "user.weight": [13, 4], "item.weight": [8, 4]}


@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_a_shard_that_is_not_whole_is_refused(both, tmp_path, damage):
    for name in both[1][1]["files"]:
        if name.startswith("half-2"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copy(both[0] / "kept" / name, tmp_path / name)
    first, second = sorted((tmp_path / "half-2.shards").iterdir())
    if damage == "gone":
        second.unlink()
    elif damage == "cut":
        second.write_bytes(second.read_bytes()[:-8])
    else:
        shutil.copy(first, second)
    split = tiny_split(users=25)
    model = SASRec(split.train.n_items, dim=8, length=4, heads=2, dropout=0.0, start="random")
    with pytest.raises(ArtifactError, match="no whole shard"):
        fit(model, split, replace(HALF, checkpoint=tmp_path / "half-2"))


def test_a_checkpoint_in_shards_goes_on_with_one_worker(both, tmp_path):
    split = tiny_split(users=25)
    model = SASRec(split.train.n_items, dim=8, length=4, heads=2, dropout=0.0, start="random")
    shutil.copytree(both[0] / "kept", tmp_path / "mine")
    saved = tmp_path / "mine" / "half-2"
    done = fit(model, split, replace(HALF, checkpoint=saved))
    weights = {key: value.tolist() for key, value in model.state_dict().items()}
    alike(both[1][0]["sasrec softmax"], {"history": [[e.loss, e.value] for e in done.history], "weights": weights})
    assert len(list(saved.parent.glob("half-2.shards/*"))) == 0


@pytest.mark.parametrize("half", ["half-1", "half-2"])
def test_a_checkpoint_goes_on_with_two_workers(both, half):
    alike(both[1][0]["sasrec softmax"], both[1][1][half])


def test_a_checkpoint_is_one_file_and_one_a_shard(both):
    assert both[1][0]["files"] == ["half-1"]
    assert [name for name in both[1][1]["files"] if name.startswith("half-2")] == [
        "half-2",
        "half-2.shards/000002-00000-of-00002.safetensors",
        "half-2.shards/000002-00001-of-00002.safetensors",
    ]


def test_the_shards_of_a_checkpoint_are_cut_as_one_table(both, tmp_path):
    shards = sorted((both[0] / "kept" / "half-2.shards").iterdir())
    whole = torch.cat([load_file(one)["model.item.weight"] for one in shards])
    compact_shards(shards, tmp_path / "small", 9, name="model.item.weight")
    found = [load_file(one) for one in sorted((tmp_path / "small").glob("*.safetensors"))]
    rows = torch.cat([one["model.item.weight.rows"] for one in found])
    assert len(rows) == 9
    assert torch.equal(torch.cat([one["model.item.weight"] for one in found]), whole[rows])
    assert set(rows.tolist()) == {0, *whole[1:].square().sum(1).topk(8).indices.add(1).tolist()}


def test_rows_that_were_never_whole_are_the_same_for_any_number_of_workers(both):
    alone, together, _ = (said["drawn"] for said in both[1])
    assert alone == together
    assert alone[1] == pytest.approx(0.1, rel=0.02)


def test_rows_and_gradients_go_to_who_has_them(both):
    grads = {}
    for rank, said in enumerate(both[1][1:]):
        codes, found, moved = said["looked up"]
        assert found == [[[2.0 * c, 2.0 * c + 1] for c in row] for row in codes]
        grads |= {n + 40 * rank: row for n, *row in said["gradients"]}
        assert moved == step_cost(80, 2, [3, 2] if rank == 0 else [2, 3], rank=rank).sent
    wanted = torch.zeros(80)
    for said in both[1][1:]:
        for code in (code for row in said["looked up"][0] for code in row if code != 3):
            wanted[code] += 1
    assert grads == {n: [times, 2 * times] for n, times in enumerate(wanted.tolist()) if times}


def test_the_whole_table_sends_its_gradients_back(both):
    from_lookup = {n: row for n, *row in both[1][1]["gradients"]}
    found, moved = both[1][1]["of the whole"]
    assert found[1] == [from_lookup[1][0] + 3, from_lookup[1][1] + 3]
    assert moved == 2 * 40 * 2 * 4


def test_shards_move_what_is_looked_up_and_not_what_there_is(both):
    alone, (whole, shards), _ = (said["bytes"] for said in both[1])
    assert alone == [0, 0]
    steps = whole / (4 * (10_000 * 4 + 17 * 5))
    assert steps == int(steps)
    assert shards < whole / 10


def test_a_worker_that_is_killed_between_shard_and_checkpoint_changes_nothing(both):
    one, two, _ = (said["killed"] for said in both[1])
    assert both[1][1]["restarts"] == "1"
    alike(one, two)


def test_one_worker_keeps_its_tables():
    model = MF(10, 12, dim=4)
    assert shard(model, Alone(), over=100) == ("user", "item")
    assert shards_of(model) == {}


def test_small_tables_stay_whole():
    model = MF(10, 1000, dim=4)
    assert shard(model, Together(0, 2), over=1000) == ("item",)
    assert isinstance(model.item, ShardedEmbedding)
    assert type(model.user) is nn.Embedding
    assert model.item.ranges == [(0, 500), (500, 1000)]


def test_rows_that_do_not_divide_are_all_there():
    assert step_of(10, 4) == 3
    table = ShardedEmbedding(torch.zeros(3, 2), 10, Together(0, 4))
    assert table.ranges == [(0, 3), (3, 6), (6, 9), (9, 10)]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: SASRec(30, dim=4, heads=2), "start='random'"),
        (lambda: MF(30, 30, dim=4, start="spectral"), "let it begin first"),
        (lambda: nn.Sequential(nn.Embedding(30, 4, sparse=True)), "sparse"),
    ],
)
def test_what_cannot_be_parted_is_refused(make, why):
    with pytest.raises(TrainingError, match=why):
        shard(make(), Together(0, 2), over=0)


def test_a_table_of_two_modules_is_refused():
    model = nn.ModuleList([nn.Embedding(9, 2), nn.Embedding(9, 2)])
    model[1].weight = model[0].weight
    with pytest.raises(TrainingError, match="that of another module"):
        shard(model, Together(0, 2), over=0)


def test_numbers_that_are_not_there_want_a_deviation():
    with torch.device("meta"):
        model = nn.Sequential(nn.Embedding(9, 2))
    with pytest.raises(TrainingError, match="say std"):
        shard(model, Alone(), over=0)


def test_what_has_no_numbers_and_is_no_table_is_named():
    with torch.device("meta"):
        model = nn.Sequential(nn.Embedding(9, 2), nn.Linear(2, 1))
    with pytest.raises(TrainingError, match=r"1.weight has no numbers"):
        shard(model, Alone(), over=0, std=0.1)


def test_one_worker_does_not_train_what_lies_with_several():
    split = tiny_split()
    model = MF(split.train.n_users, split.train.n_items, dim=4)
    shard(model, Together(0, 2), over=0)
    with pytest.raises(TrainingError, match="lie with 2 workers"):
        fit(model, split, FitOptions(epochs=1))
