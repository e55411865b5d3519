"""What a model of sequences looks for, by our kernels: as it is, pruned and packed; and what is refused."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from recprune.dispatch import kernels
from recprune.errors import DataError, ExtensionError
from recprune.models.build import build
from recprune.models.caser import Caser
from recprune.models.gru4rec import GRU4Rec
from recprune.models.nextitnet import NextItNet
from recprune.models.sasrec import SASRec
from recprune.packing import pack, storing
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.runtimes import writer
from recprune.runtimes.reading import reader_of
from recprune.serving.eager import Eager
from recprune.serving.fast import ByRows, BySequences, recommender_of
from recprune.surgery import apply, shrink_inputs
from recprune.testing import tiny_split
from recprune.tracing.trace import survey


def model_of(seed=0, items=40, kind=SASRec, **options):
    torch.manual_seed(seed)
    model = kind(items, **options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
        model.item.weight[0] = 0
    return model


def sequences(rows, length, items=40, seed=0):
    """Some begin late, and in some an item in the middle has left."""
    rng = np.random.default_rng(seed)
    found = rng.integers(1, items, (rows, length))
    for row, begin in enumerate(rng.integers(0, length, rows)):
        found[row, :begin] = 0
    found[::3, :-1] *= rng.integers(0, 2, found[::3, :-1].shape)
    return found


def same(model, asked):
    with torch.no_grad():
        wanted = model.query(torch.from_numpy(asked)).numpy()
    found = reader_of(model)([asked])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=2e-5 * float(np.abs(wanted).max()))


@pytest.mark.parametrize(
    "options",
    [
        {"length": 9, "dim": 8, "layers": 1, "heads": 1},
        {"length": 50, "dim": 64},
        {"length": 33, "dim": 30, "layers": 3, "heads": 5},
        {"length": 70, "dim": 20, "heads": 4},
        {"length": 1, "dim": 17, "heads": 1},
        {"kind": GRU4Rec, "length": 50, "dim": 64, "hidden": 128},
        {"kind": GRU4Rec, "length": 9, "dim": 5, "hidden": 21, "layers": 2},
        {"kind": GRU4Rec, "length": 30, "dim": 18, "hidden": 3, "layers": 3},
        {"kind": GRU4Rec, "length": 12, "dim": 10, "hidden": 7, "residual": True},
        {"kind": GRU4Rec, "length": 12, "dim": 10, "hidden": 7, "residual": True, "norm": True, "even": True},
    ],
)
def test_what_is_looked_for_is_found_as_by_torch(level, options):
    same(model_of(**options), sequences(13, options["length"]))


@pytest.mark.parametrize("kind", [SASRec, GRU4Rec])
def test_one_sequence_is_read_as_among_others(level, kind):
    read, asked = reader_of(model_of(kind=kind, length=12, dim=16)), sequences(7, 12)
    all_of_them = read([asked])
    for row in (6, 0, 3):
        np.testing.assert_array_equal(read([asked[row : row + 1].astype(np.int32)])[0], all_of_them[row])


def test_threads_may_share_it():
    read, asked = reader_of(model_of(length=40, dim=32)), sequences(64, 40)
    wanted = read([asked])
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(lambda _: read([asked]), range(16)):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("kind", [SASRec, GRU4Rec, NextItNet, Caser])
@pytest.mark.parametrize(
    "encoding",
    [*("int8_rows", "int4_rows", "bf16", "shared_values(b=5)"), "product_rows(m=5,b=8)", "product_rows(m=4,b=8,w=16)"],
)
def test_packed_models_are_read(level, encoding, kind):
    model = model_of(kind=kind, length=12, dim=16, items=400)
    packed = pack(model, storing(model, encoding))
    with torch.no_grad():
        assert not packed.item.weight[0].any()
    same(packed, sequences(9, 12, 400))


@pytest.mark.parametrize("kind", [SASRec, GRU4Rec])
def test_rotated_items_are_turned_back_one_by_one(level, kind, monkeypatch):
    model = model_of(kind=kind, length=12, dim=16, items=400)
    monkeypatch.setattr(writer, "SMALL", 0)
    same(pack(model, {"item.weight": "int4_rotated_rows"}), sequences(9, 12, 400))


NEXT = (
    {"length": 7, "dim": 5, "filters": 9, "dilations": (1,)},
    {"length": 30, "dim": 16, "filters": 12, "dilations": (1, 2, 4), "kernel": 3},
    {"length": 9, "dim": 33, "filters": 70, "dilations": (1, 2), "kernel": 2},
    {"length": 4, "dim": 3, "filters": 2, "dilations": (2, 1), "kernel": 1},
)


@pytest.mark.parametrize("options", NEXT)
def test_convolutions_of_all_shapes_see_what_the_model_does(level, options):
    same(model_of(kind=NextItNet, **options), sequences(24, options["length"]))


IMAGES = (
    {"length": 5, "dim": 7, "filters": 3, "heights": (1, 2, 5), "vertical": 2},
    {"length": 10, "dim": 32, "filters": 16, "heights": (1, 2, 3, 4), "vertical": 4},
    {"length": 1, "dim": 4, "filters": 1, "heights": (1,), "vertical": 1},
    {"length": 12, "dim": 17, "filters": 40, "heights": (12,), "vertical": 17},
)


@pytest.mark.parametrize("options", IMAGES)
def test_images_of_all_shapes_are_read_whole(level, options):
    model = model_of(kind=Caser, **options)
    with torch.no_grad():
        model.item.weight[0] = 0.3  # padding is read as it stands
    same(model, sequences(24, options["length"]))


LAST = {"name": "gru4rec", "hidden": 9, "residual": True, "norm": True}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "options",
    [
        {"name": "sasrec", "heads": 3},
        {"name": "gru4rec", "hidden": 9},
        LAST,
        {"name": "nextitnet", "filters": 8, "dilations": (1, 2)},
        {"name": "caser", "filters": 5, "heights": (1, 2, 3)},
    ],
)
def test_pruned_models_are_read(seed, options):
    split = tiny_split()
    model = build(split=split, dim=12, length=6, seed=seed, **options).eval()
    inputs = (torch.from_numpy(sequences(5, 6, split.train.n_items)),)
    found = survey(model, inputs)
    scores = {site.name: torch.rand(site.size, generator=torch.Generator().manual_seed(seed)) for site in found.sites}
    plan = choose(found, scores, Budget(0.4))
    small = apply(model, plan, inputs).eval()
    asked = shrink_inputs(plan, inputs, found.columns)[0].numpy()
    same(small, asked[asked[:, -1] > 0])


@pytest.mark.skipif(kernels() is None, reason="not compiled")
@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "nextitnet", "caser"])
def test_lists_go_by_it_and_by_torch_where_the_last_item_has_left(name):
    split = tiny_split()
    model = build(name, split, dim=8, length=6, seed=4).eval()
    fast, eager = recommender_of(model, split.train.n_items), Eager(model, split.train.n_items)
    assert isinstance(fast, BySequences)
    for history in ([3, 5, 7], [3, 0, 7], [3, 5, 0], [0], [], [9, 8, 7, 6, 5, 4, 3, 2]):
        asked = 0, np.array(history, dtype=np.int64), 5, np.array([3])
        one, other = fast.lists(*asked), eager.lists(*asked)
        assert one.items.tolist() == other.items.tolist()
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-4, atol=1e-5)


class Own(SASRec):
    """Somebody's own."""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.double(), "float64"),
        (lambda m: m.blocks[0].register_forward_hook(lambda *a: None), "hooks"),
        (lambda m: setattr(m, "norm", nn.LayerNorm(8, elementwise_affine=False)), "norm"),
        (lambda m: setattr(m.blocks[0], "after", nn.LayerNorm(7)), "norm"),
        (lambda m: setattr(m.blocks[0], "q", nn.Linear(8, 6)), "heads"),
        (lambda m: setattr(m.blocks[0], "down", nn.Linear(8, 6)), "adds up"),
        (lambda m: setattr(m.blocks[0], "up", nn.Linear(6, 8)), "numbers"),
        (lambda m: m.blocks.__setitem__(0, nn.Identity()), "Identity"),
        (lambda m: setattr(m, "position", nn.Embedding(3, 8)), "positions"),
    ],
)
def test_what_is_not_recognised_is_refused_with_the_reason(change, reason):
    model = model_of(length=6, dim=8)
    change(model)
    with pytest.raises(ExtensionError, match=reason):
        reader_of(model)


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        (NextItNet, lambda m: setattr(m.blocks[0], "first", nn.Conv1d(8, 8, 3, stride=2)), "plain one"),
        (NextItNet, lambda m: setattr(m.blocks[0], "first", nn.Conv1d(8, 8, 3, padding=1)), "plain one"),
        (NextItNet, lambda m: setattr(m.blocks[0], "first", nn.Conv1d(8, 8, 3, groups=2)), "plain one"),
        (NextItNet, lambda m: setattr(m.blocks[0], "first", nn.Conv1d(8, 8, 3, bias=False)), "plain one"),
        (NextItNet, lambda m: setattr(m.blocks[0], "first", nn.Conv1d(6, 8, 3)), "takes 6 of 8"),
        (NextItNet, lambda m: setattr(m.blocks[0], "inner", nn.LayerNorm(7)), "norm"),
        (NextItNet, lambda m: m.blocks.__setitem__(0, nn.Identity()), "Identity"),
        (Caser, lambda m: m.horizontal.__setitem__(0, nn.Conv2d(1, 4, (1, 7))), "another shape"),
        (Caser, lambda m: m.horizontal.__setitem__(0, nn.Conv2d(1, 4, (7, 8))), "another shape"),
        (Caser, lambda m: setattr(m, "vertical", nn.Conv2d(1, 4, (5, 1))), "another shape"),
        (Caser, lambda m: setattr(m, "vertical", nn.Conv2d(1, 4, (6, 1), bias=False)), "no convolutions"),
        (Caser, lambda m: setattr(m, "fc", nn.Linear(7, 8)), "numbers"),
    ],
)
def test_convolutions_that_are_not_recognised_are_refused_with_the_reason(kind, change, reason):
    model = model_of(kind=kind, length=6, dim=8)
    change(model)
    with pytest.raises(ExtensionError, match=reason):
        reader_of(model)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: setattr(m, "gru", nn.GRU(8, 6, batch_first=True)), "biases"),
        (lambda m: setattr(m, "gru", nn.GRU(8, 6, bias=False)), "go both ways"),
        (lambda m: setattr(m, "gru", nn.GRU(7, 6, bias=False, batch_first=True)), "read 7 of 8"),
        (lambda m: setattr(m, "gru", nn.GRU(8, 7, bias=False, batch_first=True)), "of 7 numbers"),
        (lambda m: m.item.weight.data[0].fill_(1), "says something"),
    ],
)
def test_units_that_are_not_recognised_are_refused_with_the_reason(change, reason):
    model = model_of(kind=GRU4Rec, length=6, dim=8, hidden=6)
    change(model)
    with pytest.raises(ExtensionError, match=reason):
        reader_of(model)


def test_lists_are_left_to_torch_where_there_is_no_c_code(monkeypatch):
    monkeypatch.setenv("RECPRUNE_KERNELS", "numpy")
    split = tiny_split()
    fast = recommender_of(build("sasrec", split, dim=8, length=6).eval(), split.train.n_items)
    assert type(fast) is ByRows


def test_other_classes_are_refused():
    model = Own(40, length=6, dim=8)
    with pytest.raises(ExtensionError, match="Own"):
        reader_of(model)


@pytest.mark.parametrize(
    "asked",
    [
        np.ones((2, 5), dtype=np.int64),
        np.ones(6, dtype=np.int64),
        np.ones((2, 6), dtype=np.float32),
        np.array([[1, 2, 3, 4, 5, 0]]),
        np.array([[1, 2, 3, 4, 5, 40]]),
        np.array([[1, 2, -3, 4, 5, 3]]),
    ],
)
def test_other_sequences_are_refused(level, asked):
    with pytest.raises(DataError):
        reader_of(model_of(length=6, dim=8))([asked])
