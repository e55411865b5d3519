"""Artifacts: what comes back is what was stored, to the bit; anything else is refused."""

import hashlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from recprune import atomic
from recprune.artifact import inspect, load, opening, reading, save
from recprune.artifact.manifest import sealed
from recprune.data.vocabulary import Vocabulary
from recprune.encodings.fp16 import Fp16
from recprune.encodings.item_item import ItemItem
from recprune.encodings.spelled import spelled
from recprune.errors import ArtifactError
from recprune.models.caser import Caser
from recprune.models.deepfm import DeepFM
from recprune.models.ease import Ease
from recprune.models.mf import MF
from recprune.packing import pack, pack_entries, packable
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.file_size import DTYPES
from recprune.planning.plan import Plan
from recprune.rewrites.open_attention import open_attention
from recprune.surgery import apply, shrink_inputs
from recprune.testing.faults import FAULTS, Faults
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey

Made = tuple[nn.Module, tuple[Tensor, ...]]


def fields(rows: int) -> tuple[Tensor, ...]:
    return tuple(torch.arange(rows) % size for size in (5, 7))


MAKERS: dict[str, Callable[[], Made]] = {
    "ease": lambda: (Ease(9), ((torch.rand(3, 9) > 0.5).float(),)),
    "mf": lambda: (MF(6, 8, 4), (torch.arange(3),)),
    "deepfm": lambda: (DeepFM(["a", "b"], [5, 7], dim=3, hidden=(6,)), fields(3)),
    "caser": lambda: (Caser(12, 5, 4, 3, (1, 2), 2), (torch.randint(12, (3, 5)),)),
}


def pruned(model: nn.Module, example: tuple[Tensor, ...]) -> tuple[nn.Module, Plan, tuple[Tensor, ...]]:
    found = survey(model, example)
    generator = torch.Generator().manual_seed(1)
    plan = choose(found, {s.name: torch.rand(s.size, generator=generator) for s in found.sites}, Budget(0.4))
    return apply(model, plan, example), plan, shrink_inputs(plan, example, model.columns)


@pytest.mark.parametrize("name", MAKERS)
def test_scores_are_equal_to_the_bit_before_and_after_pruning(name: str, tmp_path: Path):
    model, example = MAKERS[name]()
    for tensor in model.parameters():
        tensor.data.copy_(torch.randn_like(tensor))
    save(tmp_path / "big", model)
    assert torch.equal(load(tmp_path / "big").model(*example), model.eval()(*example))
    small, plan, inputs = pruned(model, example)
    save(tmp_path / "small", small, plan=plan)
    loaded = load(tmp_path / "small")
    assert torch.equal(loaded.model(*inputs), small.eval()(*inputs))
    assert loaded.plan == plan
    assert loaded.model.columns == small.columns


@pytest.mark.parametrize("name", MAKERS)
def test_the_file_is_as_long_as_the_account_says_and_a_header(name: str, tmp_path: Path):
    model, example = MAKERS[name]()
    small, plan, _ = pruned(model, example)
    save(tmp_path / "small", small, plan=plan)
    data = (tmp_path / "small" / "weights.safetensors").read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    assert len(data) == header + plan.account().bytes_after == plan.file_bytes()


ENCODINGS = [
    *("int8_rows", "int4_rows", "int4_rotated_rows(seed=5)", "int2_rotated_rows", "fp16", "top_entries(k=2)"),
    *("sparse_rows", "sparse_rows(entries=23,bits=8)", "sparse_rows(entries=33,bits=4)"),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["ease", "mf", "deepfm", "caser"])
def test_packed_models_come_back_to_the_bit_and_are_as_long_as_their_account(name: str, encoding: str, tmp_path: Path):
    torch.manual_seed(2)
    model, example = WIDE[name]()
    for tensor in model.parameters():
        tensor.data.copy_(torch.randn_like(tensor))
    plan = packing(model, example, encoding)
    small = apply(model, plan, example)
    save(tmp_path / "a", small, plan=plan)
    loaded = load(tmp_path / "a")
    inputs = shrink_inputs(plan, example, model.columns)
    assert torch.equal(loaded.model(*inputs), small(*inputs))
    assert loaded.plan == plan
    assert loaded.manifest.encodings == dict.fromkeys(plan.encodings, encoding.partition("(")[0])
    data = (tmp_path / "a" / "weights.safetensors").read_bytes()
    assert len(data) == 8 + int.from_bytes(data[:8], "little") + plan.account().bytes_after == plan.file_bytes()
    assert inspect(tmp_path / "a")["parameters"] == plan.account().parameters_after
    again = load(tmp_path / "a", type(model)(**model.config)).model
    assert torch.equal(again(*inputs), small(*inputs))


WIDE: dict[str, Callable[[], Made]] = {
    "ease": lambda: (Ease(19), ((torch.rand(3, 19) > 0.5).float(),)),
    "mf": lambda: (MF(16, 18, 16), (torch.arange(3),)),
    "deepfm": lambda: (DeepFM(["a", "b"], [25, 27], dim=12, hidden=(16,)), fields(3)),
    "caser": lambda: (Caser(22, 5, 14, 3, (1, 2), 2), (torch.randint(12, (3, 5)),)),
}


def packing(model: nn.Module, example: tuple[Tensor, ...], encoding: str) -> Plan:
    """Some dims and rows leave, and every matrix that can be is packed where that is smaller."""
    found = survey(model, example)
    generator = torch.Generator().manual_seed(1)
    scores = {s.name: torch.rand(s.size, generator=generator) for s in found.sites if s.kind is not Kind.ENTRY}
    plan = choose(found, scores, Budget(0.2 if scores else 0.0))
    after = {row.tensor: row for row in plan.account().rows}
    stored = {
        n: encoding
        for n, reason in packable(model).items()
        if not reason and spelled(encoding).stored_bytes(after[n].after) < after[n].bytes_after
    }
    assert stored
    return Plan(found, plan.kept, plan.budget, encodings=stored)


def test_inspect_tells_what_each_file_takes(tmp_path: Path):
    model, example = MAKERS["mf"]()
    small, plan, _ = pruned(model, example)
    rows = {name: len(getattr(small, name).weight) - 1 for name in ("user", "item")}
    vocabularies = {name: Vocabulary(name, [str(n) for n in range(rows[name])]) for name in rows}
    save(tmp_path / "a", small, plan=plan, vocabularies=vocabularies)
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "a").iterdir()}
    said = inspect(tmp_path / "a")["bytes_of"]
    assert said == {
        "weights": plan.file_bytes(),
        "plan": sizes["plan.json"],
        "proof": 0,
        "runtimes": 0,
        "vocabularies": sizes["vocabulary-0.json"] + sizes["vocabulary-1.json"],
        "manifest": sizes["manifest.json"],
    }
    assert sum(said.values()) == sum(sizes.values())
    assert sizes["plan.json"] < 0.7 * len(plan.to_json())


def test_a_plan_that_did_not_make_the_model_is_not_written_beside_it(tmp_path: Path):
    model, example = MAKERS["mf"]()
    small, plan, _ = pruned(model, example)
    save(tmp_path / "a", small, plan=plan)
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    with pytest.raises(ArtifactError, match="in another shape than the model has it") as told:
        save(tmp_path / "a", model, plan=plan)
    assert told.value.tensor in {row.tensor for row in plan.account().rows if row.before != row.after}
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before


def test_a_packed_foreign_model_keeps_its_tie(tmp_path: Path):
    torch.manual_seed(0)
    packed = pack(Foreign(), {"a.weight": "int8_rows"})
    save(tmp_path / "a", packed)
    said = inspect(tmp_path / "a")
    assert list(said["tensors"]) == ["a.stored.codes", "a.stored.scale", "a.stored.like"]
    assert (said["encodings"], said["parameters"]) == ({"a.weight": "int8_rows"}, 20)
    back = load(tmp_path / "a", model=Foreign()).model
    assert torch.equal(back(torch.arange(5)), packed(torch.arange(5)))
    assert back.a.stored is back.b.stored


def test_a_model_that_is_packed_after_its_plan_or_not_yet_fits_the_plan(tmp_path: Path):
    torch.manual_seed(0)
    model, example = WIDE["mf"]()
    plan = packing(model, example, "int8_rows")
    cut = apply(model, plan, example, packed=False)
    for number, made in enumerate((cut, pack(cut, {"item.weight": "fp16"}))):
        save(tmp_path / str(number), made, plan=plan)
        inputs = shrink_inputs(plan, example, model.columns)
        assert torch.equal(load(tmp_path / str(number)).model(*inputs), made.eval()(*inputs))


@pytest.mark.parametrize(
    ("part", "made"),
    [
        ("stored.codes", lambda t: t[:-1]),
        ("stored.codes", lambda t: t.float()),
        ("stored.scale", lambda t: t.float()),
        ("stored.scale", lambda t: t * torch.nan),
        ("stored.like", lambda t: torch.zeros(0, 9000)),
        ("stored.like", lambda t: torch.zeros(1, 16)),
        ("stored.seed", lambda t: -t),
        ("stored.seed", lambda t: t.to(torch.int32)),
        ("stored.seed", None),
        ("stored.more", lambda t: torch.zeros(3)),
    ],
)
def test_codes_that_no_encoding_makes_are_refused(part: str, made: Callable[[Tensor], Tensor] | None, tmp_path: Path):
    model = pack(MF(16, 18, 16), {"user.weight": "int4_rotated_rows(seed=2)"})
    folder = save(tmp_path / "a", model)
    tensors = {name: t.clone() for name, t in model.named_parameters()} | dict(model.named_buffers())
    old = tensors.pop(f"user.{part}", torch.zeros(1))
    if made is not None:
        tensors[f"user.{part}"] = made(old).contiguous()
    rewritten(folder, tensors)
    with pytest.raises(ArtifactError):
        load(folder)


def rewritten(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Other weights under a manifest that knows them."""
    data = to_bytes({name: t.detach() for name, t in tensors.items()})
    (folder / "weights.safetensors").write_bytes(data)
    facts = {n: {"dtype": DTYPES[t.dtype], "shape": list(t.shape)} for n, t in tensors.items()}
    files = {"weights.safetensors": {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}}
    changed(folder, tensors=facts, files=files)


def test_an_encoding_of_ones_own_must_have_been_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mine = types.ModuleType("mine")
    mine.Mine = type("Mine", (Fp16,), {"__module__": "mine"})
    monkeypatch.setitem(sys.modules, "mine", mine)
    save(tmp_path / "a", pack(MF(3, 4, 2), {"user.weight": "mine:Mine"}))
    assert type(load(tmp_path / "a").model.user.stored) is mine.Mine
    monkeypatch.delitem(sys.modules, "mine")
    with pytest.raises(ArtifactError, match="import mine first"):
        load(tmp_path / "a")
    changed(tmp_path / "a", encodings={"user.weight": "os:system"})
    with pytest.raises(ArtifactError, match="stores no matrix as codes"):
        load(tmp_path / "a")


@pytest.mark.parametrize("encoding", ["item_item", "item_bytes"])
def test_where_entries_stand_are_bytes_and_no_parameters(encoding: str, tmp_path: Path):
    model, example = WIDE["ease"]()
    model.items.weight.data.normal_()
    found = survey(model, example)
    plan = choose(found, {"items.entry": model.items.weight.detach().abs().flatten()}, Budget(0.7))
    small = apply(model, plan, example)
    small = pack_entries(small, "items", spelled(encoding)) if encoding == "item_bytes" else small
    save(tmp_path / "a", small)
    said = inspect(tmp_path / "a")
    stored = sum(math.prod(facts["shape"]) for facts in said["tensors"].values())
    assert said["parameters"] == plan.account().parameters_after < stored
    assert said["bytes_of"]["weights"] > sum(t.numel() * t.element_size() for t in small.state_dict().values())


def test_vocabularies_metrics_seeds_and_notes_come_back(tmp_path: Path):
    ids = ["1_000", "１２", "007", " 5", "Ü", "\u202eabc", '"quoted",\n']
    save(
        tmp_path / "a",
        MF(8, 4, 2),
        vocabularies={"user": Vocabulary("user", ids)},
        metrics={"ndcg@20": 0.25, "auc": None},
        seeds={"fit": 3},
        notes={"data": "a log"},
        created="a command",
    )
    loaded = load(tmp_path / "a")
    assert loaded.vocabularies["user"].ids == tuple(ids)
    assert loaded.manifest.metrics == {"ndcg@20": 0.25, "auc": None}
    assert (loaded.manifest.seeds, loaded.manifest.notes) == ({"fit": 3}, {"data": "a log"})
    assert inspect(tmp_path / "a")["parameters"] == 8 * 2 + 4 * 2 + 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_come_back(dtype: torch.dtype, tmp_path: Path):
    model = MF(3, 4, 2).to(dtype)
    save(tmp_path / "a", model)
    back = load(tmp_path / "a").model
    assert all(
        torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(model.parameters(), back.parameters(), strict=True)
    )


class Foreign(nn.Module):
    """Not ours, with a tie and a width in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)))


def test_a_foreign_model_needs_an_instance_and_a_tie_stays_one_tensor(tmp_path: Path):
    model = Foreign()
    save(tmp_path / "a", model)
    assert list(inspect(tmp_path / "a")["tensors"]) == ["a.weight"]
    with pytest.raises(ArtifactError, match="give a fresh instance"):
        load(tmp_path / "a")
    back = load(tmp_path / "a", model=Foreign()).model
    assert torch.equal(back(torch.arange(5)), model(torch.arange(5)))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_not_stored(bad: float, tmp_path: Path):
    model = MF(3, 4, 2)
    model.user.weight.data[1, 1] = bad
    with pytest.raises(ArtifactError, match=r"user\.weight"):
        save(tmp_path / "a", model)
    assert not (tmp_path / "a").exists()


def test_a_folder_that_is_none_or_something_else_is_told_apart(tmp_path: Path):
    with pytest.raises(ArtifactError, match="does not exist"):
        load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match=r"no manifest\.json"):
        load(tmp_path / "empty")
    (tmp_path / "model.pt").write_bytes(b"\x80\x04.")
    with pytest.raises(ArtifactError, match="never loaded"):
        load(tmp_path / "model.pt")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(ArtifactError, match="in the way"):
        save(tmp_path / "home", MF(3, 4, 2))
    assert (tmp_path / "home" / "letter.txt").read_text() == "dear"


def stored(folder: Path) -> Path:
    model, example = MAKERS["ease"]()
    small, plan, _ = pruned(model, example)
    return save(folder, small, plan=plan, vocabularies={"item": Vocabulary("item", list("abcdefgh"))})


def changed(folder: Path, **new: object) -> None:
    """A manifest of other content under a good seal."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content.pop("sha256")
    path.write_text(sealed(content | new))


@pytest.mark.parametrize(
    "new",
    [
        {"format": 1},
        {"kind": "something"},
        {"model": "os:system"},
        {"model": "nothing"},
        {"config": {"n_items": -1}},
        {"surprise": 1},
        {"files": {"../x": {"bytes": 1, "sha256": ""}}},
        {"tensors": {"../../x": {"dtype": "F32", "shape": [1]}}},
        {"tensors": {}},
        {"columns": "history"},
        {"encodings": {}},
        {"encodings": {"nowhere.weight": "item_item"}},
        {"encodings": {"items.weight": "int8_rows"}},
        {"encodings": {"items.weight": "int9_rows"}},
        {"vocabularies": {"item": "plan.json"}},
        {"attributes": {"heads": "2"}},
        {"sparse": {"items.values": {"layout": "coo", "shape": [2]}}},
        {"sparse": {"items.values": {"layout": "bsr", "shape": [2]}}},
        {"sparse": {"items.values": {"layout": "csr", "shape": [-2, 2]}}},
        {"opened": ["items"]},
        {"opened": ["nowhere"]},
        {"opened": "items"},
        {"foreign": 1},
    ],
)
def test_a_manifest_that_lies_is_refused(new: dict[str, object], tmp_path: Path):
    folder = stored(tmp_path / "a")
    changed(folder, **new)
    with pytest.raises(ArtifactError):
        load(folder)


@pytest.mark.parametrize(("old", "new"), [('"reg": 5', '"reg": 6'), (" ", "  "), ('"created": ""', '"created": "x"')])
def test_a_manifest_changed_by_hand_is_refused(old: str, new: str, tmp_path: Path):
    folder = save(tmp_path / "a", MF(3, 4, 2), notes={"reg": 5})
    path = folder / "manifest.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ArtifactError, match="changed after it was written"):
        load(folder)


def test_a_pruned_model_is_loaded_without_ever_holding_the_larger_one(tmp_path: Path):
    """Dense, 3 million items would take 36 TB."""
    items, kept = 3_000_000, torch.tensor([5, 3_000_001])
    with torch.device("meta"):
        model = Ease(items)
    starts = torch.full((items + 1,), 2)
    starts[:2] = torch.tensor([0, 1])
    model.items = ItemItem(torch.tensor([0.5, 0.25]), kept % items, starts, items)
    save(tmp_path / "a", model)
    back = load(tmp_path / "a").model
    assert torch.equal(back.items.indices, model.items.indices)
    assert (back.items.in_features, back.items.out_features) == (items, items)


def test_extra_and_missing_files_and_links_are_refused(tmp_path: Path):
    folder = stored(tmp_path / "a")
    (folder / "extra.bin").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"extra\.bin"):
        load(folder)
    (folder / "extra.bin").unlink()
    (folder / "plan.json").rename(tmp_path / "plan.json")
    with pytest.raises(ArtifactError, match=r"plan\.json"):
        load(folder)
    (folder / "plan.json").symlink_to(tmp_path / "plan.json")
    with pytest.raises(ArtifactError, match="cannot be opened"):
        load(folder)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path):
    folder = stored(tmp_path / "a")
    path = folder / "manifest.json"
    path.write_text('{"kind": "recprune artifact", ' + path.read_text().lstrip()[1:])
    with pytest.raises(ArtifactError, match="stands twice"):
        load(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("whole") / "a")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_with_our_error_only(whole: Path, data: st.DataObject):
    path = data.draw(st.sampled_from(sorted(whole.iterdir())))
    good = path.read_bytes()
    place = data.draw(st.integers(0, len(good) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "more"]))
    bad = bytearray(good)
    if how == "flip":
        bad[place] ^= data.draw(st.integers(1, 255))
    try:
        path.write_bytes(bytes(bad) if how == "flip" else good[:place] if how == "cut" else good + good[place:] + b"x")
        with pytest.raises(ArtifactError):
            load(whole)
    finally:
        path.write_bytes(good)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_of_a_save_may_fail_and_a_whole_model_stands(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    old, new = MF(3, 4, 2), MF(3, 4, 2)
    save(tmp_path / "a", old)
    for number in range(1, 60):
        with monkeypatch.context() as patch:
            faults = Faults(fault, number)
            patch.setattr(atomic, "os", faults)
            failed = faults.during(lambda: save(tmp_path / "a", new))
        if not faults.met:
            break
        back = load(tmp_path / "a").model
        assert any(all(map(torch.equal, back.parameters(), m.parameters())) for m in ([old, new] if failed else [new]))
        save(tmp_path / "a", old)
        assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert 2 < number < 59


@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "EINTR", "short", "no memory"])
def test_every_call_of_a_load_may_fail_and_says_where(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = MF(3, 4, 2)
    save(tmp_path / "a", model)
    for number in range(1, 60):
        with monkeypatch.context() as patch:
            faults = Faults(fault, number)
            patch.setattr(opening, "os", faults)
            said = refusal(tmp_path / "a") if fault in ("ENOSPC", "EIO") else ""
            failed = bool(said) or faults.during(lambda: load(tmp_path / "a"))
        assert failed == (faults.met and fault not in ("EINTR", "short"))
        assert not said or str(tmp_path / "a") in said
        if not faults.met:
            break
    assert 3 < number < 59


def refusal(folder: Path) -> str:
    """What load says against a folder; empty where it loads."""
    try:
        load(folder)
    except ArtifactError as error:
        return str(error)
    return ""


def test_a_disk_that_is_full_is_seen_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save(tmp_path / "a", MF(3, 4, 2))
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda place: types.SimpleNamespace(free=100))
    with pytest.raises(ArtifactError, match=r"bytes are needed and 100 are free.*What stood there before stands"):
        save(tmp_path / "a", MF(3, 4, 2))
    assert load(tmp_path / "a").model.config["n_users"] == 3


def test_pipes_hard_links_and_links_in_the_folder_are_refused(tmp_path: Path):
    folder = stored(tmp_path / "a")
    for name in ("manifest.json", "weights.safetensors", "plan.json"):
        good = (folder / name).read_bytes()
        os.link(folder / name, tmp_path / "other")
        assert "hard links" in refusal(folder)
        (tmp_path / "other").unlink()
        for how in (os.mkfifo, os.mkdir, lambda path: path.symlink_to("plan.json")):
            (folder / name).unlink()
            how(folder / name)
            assert "cannot be opened" in refusal(folder)
            if (folder / name).is_dir():
                (folder / name).rmdir()
                (folder / name).touch()
        (folder / name).unlink()
        (folder / name).write_bytes(good)
    assert not refusal(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda header: header | {"x": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}, "'x' is not"),
        (lambda header: header | {"__metadata__": {"a": "b"}}, "'__metadata__' is not"),
        (lambda header: {n: f | {"data_offsets": [8, 8 + f["data_offsets"][1]]} for n, f in header.items()}, "begin"),
        (lambda header: {n: f | {"data_offsets": [0, f["data_offsets"][1]]} for n, f in header.items()}, "begin"),
        (lambda header: {n: f | {"shape": [2**62, 4]} for n, f in header.items()}, "not as the manifest"),
        (lambda header: {n: f | {"dtype": "F64"} for n, f in header.items()}, "not as the manifest"),
        (lambda header: [], "no safetensors"),
    ],
)
def test_a_header_that_is_not_the_manifests_is_refused(change: Callable[..., object], said: str, tmp_path: Path):
    folder = save(tmp_path / "a", MF(3, 4, 2))
    data = (folder / "weights.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    text = json.dumps(change(json.loads(data[8 : 8 + length])), separators=(",", ":")).encode().ljust(length)
    other = len(text).to_bytes(8, "little") + text + data[8 + length :]
    (folder / "weights.safetensors").write_bytes(other)
    facts = {"bytes": len(other), "sha256": hashlib.sha256(other).hexdigest()}
    changed(folder, files={"weights.safetensors": facts})
    assert re.search(said, refusal(folder))


def test_a_tensor_of_a_million_rows_too_many_takes_no_memory(tmp_path: Path):
    """The sum of the sizes is compared with the length of the file before room is made for anything."""
    folder = save(tmp_path / "a", MF(3, 4, 2))
    tensors = json.loads((folder / "manifest.json").read_text())["tensors"]
    changed(folder, tensors=tensors | {"user.weight": {"dtype": "F32", "shape": [2**40, 2**40]}})
    assert "no possible safetensors header" in refusal(folder)


def test_formats_are_refused_with_the_version_that_reads_them(tmp_path: Path):
    folder = save(tmp_path / "a", MF(3, 4, 2))
    changed(folder, format=9, version="7.1", needs="7.0")
    assert re.search(r"format 9, was written by recprune '7\.1' and needs recprune '7\.0' or newer", refusal(folder))
    changed(folder, format=3)
    assert not refusal(folder)
    content = json.loads((folder / "manifest.json").read_text())
    del content["needs"], content["sha256"]
    (folder / "manifest.json").write_text(sealed(content | {"format": 2}))
    assert not refusal(folder)


LOOP = """
import sys, torch
from recprune.artifact import save
from recprune.models.mf import MF
model = MF(3, 4, 2)
print("ready", flush=True)
number = 0
while True:
    number += 1
    model.user.weight.data.fill_(float(number)); model.item.weight.data.fill_(float(number))
    save(sys.argv[1], model)
"""


def test_killed_while_saving_the_folder_holds_one_whole_model(tmp_path: Path):
    folder, first = tmp_path / "a", MF(3, 4, 2)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.fill_(0.5)
    save(folder, first)
    wait = np.random.default_rng(0).uniform(0.0, 0.06, size=8)
    for seconds in wait:
        child = subprocess.Popen([sys.executable, "-c", LOOP, str(folder)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(float(seconds))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        model = load(folder).model
        assert model.user.weight[0, 0].item() == model.item.weight[0, 0].item()


class Graph(nn.Module):
    """A table spread over a graph that is a buffer."""

    def __init__(self, graph: torch.Tensor):
        super().__init__()
        self.table = nn.Embedding(4, 3)
        self.register_buffer("adjacency", graph)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return (self.adjacency @ self.table.weight)[ids]


GRAPH = torch.tensor([[0.0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 0, 4], [0, 5, 0, 0]])


@pytest.mark.filterwarnings("ignore:Sparse CSR")
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
def test_a_sparse_buffer_comes_back(layout: torch.layout, tmp_path: Path):
    graph = GRAPH.to_sparse(layout=layout)
    model = Graph(graph)
    save(tmp_path / "a", model)
    again = load(tmp_path / "a", Graph(graph * 0)).model
    assert again.adjacency.layout is graph.layout
    assert torch.equal(again(torch.arange(4)), model(torch.arange(4)))


def test_a_sparse_buffer_that_points_outside_is_refused(tmp_path: Path):
    save(tmp_path / "a", Graph(GRAPH.to_sparse()))
    changed(tmp_path / "a", sparse={"adjacency": {"layout": "coo", "shape": [2, 2]}})
    with pytest.raises(ArtifactError, match="damaged"):
        load(tmp_path / "a", Graph(GRAPH.to_sparse()))


@pytest.mark.filterwarnings("ignore:Sparse CSR")
@pytest.mark.parametrize(
    ("part", "values", "said"),
    [
        ("crow_indices", [0, 2, 1, 4, 5], "starts do not rise"),
        ("crow_indices", [1, 2, 2, 4, 5], "starts do not rise"),
        ("crow_indices", [0, 2, 2, 4, 6], "starts do not rise"),
        ("col_indices", [1, 3, 0, 4, 1], "outside"),
        ("col_indices", [1, -3, 0, 3, 1], "outside"),
        ("col_indices", [3, 1, 0, 3, 1], "do not rise"),
        ("col_indices", [1, 1, 0, 3, 1], "do not rise"),
        ("indices", [[0, 0, 2, 2, 3], [1, 1, 0, 3, 1]], "once each"),
        ("indices", [[0, 0, 2, 3, 2], [1, 3, 0, 3, 1]], "once each"),
        ("indices", [[0, 0, 2, 2, 4], [1, 3, 0, 3, 1]], "outside"),
    ],
)
def test_sparse_indices_that_are_none_are_never_handed_on(part: str, values: list[object], said: str, tmp_path: Path):
    layout = torch.sparse_coo if part == "indices" else torch.sparse_csr
    model = Graph(GRAPH.to_sparse(layout=layout))
    folder = save(tmp_path / "a", model)
    graph = model.adjacency.coalesce() if part == "indices" else model.adjacency
    names = ["indices", "values"] if part == "indices" else ["crow_indices", "col_indices", "values"]
    tensors = {"table.weight": model.table.weight.clone()}
    tensors |= {f"adjacency.{name}": getattr(graph, name)().clone() for name in names}
    tensors[f"adjacency.{part}"] = torch.tensor(values)
    rewritten(folder, tensors)
    with pytest.raises(ArtifactError, match=f"damaged: .*{said}"):
        load(folder, Graph(GRAPH.to_sparse(layout=layout)))


def test_attention_that_lost_heads_comes_back_without_its_plan(tmp_path: Path):
    torch.manual_seed(0)
    model = open_attention(nn.ModuleDict({"mix": nn.MultiheadAttention(8, 4, batch_first=True)}))
    mix = model["mix"]
    mix.num_heads = 2
    mix.in_proj_weight = nn.Parameter(torch.cat([w[:4] for w in mix.in_proj_weight.chunk(3)]))
    mix.in_proj_bias = nn.Parameter(torch.cat([b[:4] for b in mix.in_proj_bias.chunk(3)]))
    mix.out_proj.weight = nn.Parameter(mix.out_proj.weight[:, :4])
    save(tmp_path / "a", model)
    again = load(tmp_path / "a", nn.ModuleDict({"mix": nn.MultiheadAttention(8, 4, batch_first=True)})).model
    x = torch.rand(2, 5, 8)
    with torch.no_grad():
        assert torch.equal(again["mix"](x, x, x)[0], model.eval()["mix"](x, x, x)[0])


@pytest.mark.parametrize("said", [{}, [], None, "3", 3.0, True])
def test_a_format_that_is_no_number_is_refused(said: object, tmp_path: Path):
    folder = save(tmp_path / "a", MF(3, 4, 2))
    changed(folder, format=said)
    assert "has format" in refusal(folder)


def test_a_plan_of_shapes_that_cannot_be_is_refused(tmp_path: Path):
    folder = stored(tmp_path / "a")
    plan = json.loads((folder / "plan.json").read_text())
    plan["survey"]["tensors"] = {name: [[], width] for name, (_, width) in plan["survey"]["tensors"].items()}
    data = json.dumps(plan).encode()
    (folder / "plan.json").write_bytes(data)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    changed(folder, files=files | {"plan.json": {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}})
    assert "plan.json" in refusal(folder)


@pytest.mark.parametrize("starts", [[0, 12], [1, 5], [0, 0], [0, -1], [0, 2**40]])
def test_offsets_that_point_outside_of_the_table_are_refused(starts: list[int], tmp_path: Path):
    model, _ = MAKERS["deepfm"]()
    folder = save(tmp_path / "a", model)
    assert not refusal(folder)
    tensors = {name: t.detach().clone() for name, t in [*model.named_parameters(), *model.named_buffers()]}
    rewritten(folder, tensors | {"offsets": torch.tensor(starts)})
    assert "not where fields begin" in refusal(folder)


class Placed(nn.Module):
    """Not ours, with tensors that are called as ours are and mean something else."""

    def __init__(self, offsets: Tensor) -> None:
        super().__init__()
        self.table, self.linear = nn.Embedding(12, 4), nn.Linear(4, 4)
        self.register_buffer("offsets", offsets)


@pytest.mark.parametrize("offsets", [torch.tensor([0, 5, 12]), torch.tensor([5, 12]), torch.tensor([0.5, -0.5])])
def test_offsets_of_a_foreign_model_are_its_own_affair(offsets: Tensor, tmp_path: Path):
    save(tmp_path / "a", Placed(offsets))
    back = load(tmp_path / "a", model=Placed(offsets * 0)).model
    assert torch.equal(back.offsets, offsets)


def test_a_save_that_could_not_be_loaded_leaves_what_stands(tmp_path: Path):
    """Offsets outside of their table, and a packed table with fewer rows than ids."""
    save(tmp_path / "a", MF(3, 4, 2))
    model, _ = MAKERS["deepfm"]()
    model.offsets[1] = 40
    with pytest.raises(ArtifactError, match="not where fields begin"):
        save(tmp_path / "a", model)
    ids = {"item": Vocabulary("item", [str(n) for n in range(30)])}
    with pytest.raises(ArtifactError, match="codes up to 30"):
        save(tmp_path / "a", pack(MF(16, 18, 16), {"item.weight": "int8_rows"}), vocabularies=ids)
    assert load(tmp_path / "a").model.config["n_users"] == 3


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"seeds": {"fit": None}}, "seeds are whole numbers, and 'fit' is None"),
        ({"seeds": {"fit": True}}, "'fit' is True"),
        ({"seeds": {"fit": 1.0}}, r"'fit' is 1\.0"),
        ({"metrics": {1: 0.5, "1": 0.6}}, "metrics must be plain data.* a key stands twice"),
        ({"metrics": {"auc": math.nan}}, "metrics must be"),
        ({"notes": {"of": ["\ud800"]}}, "notes must be"),
        ({"notes": {"of": {1}}}, "notes must be"),
        ({"created": Path("x")}, "created must be"),
    ],
)
def test_metadata_that_would_not_be_read_again_is_not_stored(said: dict[str, object], why: str, tmp_path: Path):
    save(tmp_path / "a", MF(3, 4, 2))
    with pytest.raises(ArtifactError, match=why):
        save(tmp_path / "a", MF(5, 4, 2), **said)
    assert load(tmp_path / "a").model.config["n_users"] == 3


@pytest.mark.parametrize("read", [load, inspect])
def test_a_folder_that_is_replaced_while_it_is_read_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read):
    place, opened, left = tmp_path / "a", reading._opened, [3]
    save(place, MF(6, 8, 4))

    def replaced(path: Path) -> opening.Folder:
        there = opened(path)
        if left[0]:
            left[0] -= 1
            save(place, MF(6, 8, 4 + left[0]))  # what was opened is gone
        return there

    monkeypatch.setattr(reading, "_opened", replaced)
    found = read(place)
    assert left == [0]
    shape = found.model.item.weight.shape if read is load else found["tensors"]["item.weight"]["shape"]
    assert tuple(shape) == (8, 4)


def test_a_damaged_folder_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place, opened, seen = tmp_path / "a", reading._opened, []
    save(place, MF(6, 8, 4))
    (place / "more").touch()
    monkeypatch.setattr(reading, "_opened", lambda path: seen.append(path) or opened(path))
    with pytest.raises(ArtifactError, match="more"):
        load(place)
    assert len(seen) == 1
