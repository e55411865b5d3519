"""Things that go wrong, by the number that each has in a list of faults and bad inputs, and what must happen then.

Those of the server stand in tests/serving/test_cases.py, some beside what they are about; docs/reliability.md has all.
"""

import hashlib
import importlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import save as to_bytes
from safetensors.torch import save_file

import recprune
from recprune import atomic, dispatch
from recprune.artifact import load, opening, record, save, weights
from recprune.artifact.manifest import sealed
from recprune.artifact.speeds import Speeds, Took
from recprune.artifact.writing import checksum
from recprune.data.dataset import Dataset, Roles
from recprune.data.features import FeatureMatrix
from recprune.data.formats import delimited
from recprune.data.log import Log, clean
from recprune.data.logtoml import read_log_toml
from recprune.data.split import split_by_time, split_by_user_time, split_given, split_last, split_random
from recprune.data.vocabulary import Vocabulary
from recprune.dispatch import LEVELS
from recprune.encodings.item_item import ItemItem
from recprune.errors import ArtifactError, BudgetError, DataError, RecpruneError, SurgeryError, TrainingError
from recprune.evaluation.clicks import click_scores
from recprune.evaluation.ranking import rank
from recprune.importing.run import import_file
from recprune.large import compact
from recprune.models.ease import Ease
from recprune.models.mf import MF
from recprune.planning.file_size import DTYPES
from recprune.recipe.agree import agree
from recprune.recipe.gradual import gradual
from recprune.recipe.pruned import Pruned
from recprune.recipe.stages import silent
from recprune.surgery import masked
from recprune.testing import tiny_clicks, tiny_split
from recprune.testing.faults import CALLS, Faults


def numbers_of(folder: Path) -> set[float]:
    return {float(n) for p in load(folder).model.parameters() for n in p.detach().unique()}


def mf(number: float) -> MF:
    model = MF(3, 4, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(number)
    return model


def refusal(folder: Path) -> str:
    try:
        load(folder)
    except ArtifactError as error:
        return str(error)
    return ""


def changed(folder: Path, **new: object) -> None:
    """A manifest of other content under a good seal."""
    content = json.loads((folder / "manifest.json").read_text())
    content.pop("sha256")
    (folder / "manifest.json").write_text(sealed(content | new))


def rewritten(folder: Path, data: bytes) -> None:
    """Another weights file under a manifest that knows it."""
    (folder / "weights.safetensors").write_bytes(data)
    facts = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    changed(folder, files={"weights.safetensors": facts})


class KilledAt:
    """`os`, whose k-th call ends the process by kill -9."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __getattr__(self, name: str) -> object:
        real = getattr(os, name)

        def call(*args: object, **named: object) -> object:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **named)

        return call if name in CALLS else real


@pytest.mark.parametrize("at", range(1, 17))
def test_case_1_killed_while_saving_the_old_one_loads_and_the_next_save_tidies_up(at: int, tmp_path: Path):
    save(tmp_path / "a", mf(1.0))
    child = os.fork()
    if not child:
        atomic.os = KilledAt(at)
        try:
            save(tmp_path / "a", mf(2.0))
        finally:
            os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (-signal.SIGKILL, 0)
    assert numbers_of(tmp_path / "a") in ({1.0}, {2.0})
    save(tmp_path / "a", mf(3.0))
    assert os.listdir(tmp_path) == ["a"]
    assert numbers_of(tmp_path / "a") == {3.0}


def test_case_2_file_and_folder_are_on_the_disk_before_success_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    watch = Faults("none", 0)
    monkeypatch.setattr(atomic, "os", watch)
    save(tmp_path / "a", mf(1.0))
    calls = [call for call in watch.calls if call in ("write", "fsync", "rename")]
    assert calls[: calls.index("rename")].count("fsync") >= calls.count("write") + 1
    assert calls[-2:] == ["rename", "fsync"]


def test_case_3_a_full_disk_is_told_in_bytes_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    save(tmp_path / "a", mf(1.0))
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda place: type("Usage", (), {"free": 9}))
    with pytest.raises(ArtifactError, match=r"[\d,]+ bytes are needed and 9 are free"):
        save(tmp_path / "a", mf(2.0))
    assert numbers_of(tmp_path / "a") == {1.0}
    assert os.listdir(tmp_path) == ["a"]


def table_of(path: Path) -> Path:
    save_file({"t": torch.arange(600.0).view(100, 6)}, path)
    return path


def test_case_3_a_table_too_large_for_the_disk_is_told_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    table = table_of(tmp_path / "big")
    compact(table, tmp_path / "small", 3)
    before = (tmp_path / "small").read_bytes()
    needed = []
    for free in (9, 0):
        monkeypatch.setattr(atomic.shutil, "disk_usage", lambda place, free=free: type("Usage", (), {"free": free}))
        with monkeypatch.context() as patch:
            patch.setattr(importlib.import_module("recprune.large.compact"), "measured", None)  # reads the table
            with pytest.raises(ArtifactError) as error:
                compact(table, tmp_path / "small", 50)
        found = re.search(r"([\d,]+) bytes are needed and (\d) are free", str(error.value))
        assert found is not None
        assert found[2] == str(free)
        needed.append(int(found[1].replace(",", "")))
    assert (tmp_path / "small").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["big", "small"]
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda place: type("Usage", (), {"free": needed[0]}))
    assert needed[0] == needed[1] == compact(table, tmp_path / "small", 50).bytes + 100 * 4  # and a score a row


@pytest.mark.parametrize("at", [1, 3, 5, 7, 9, 12])
def test_case_3_a_disk_that_fills_up_on_the_way_leaves_the_old_artifact_and_nothing_else(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    save(tmp_path / "a", mf(1.0))
    faults = Faults("ENOSPC", at)
    monkeypatch.setattr(atomic, "os", faults)
    with pytest.raises(ArtifactError, match="No space left"):
        save(tmp_path / "a", mf(2.0))
    monkeypatch.undo()
    assert faults.met
    assert numbers_of(tmp_path / "a") == {1.0}
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize("fault", ["EIO", "short", "EINTR"])
def test_case_4_short_reads_are_gone_on_with_and_a_broken_disk_says_file_and_byte(
    fault: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    save(tmp_path / "a", mf(1.0))
    faults = Faults(fault, at)
    monkeypatch.setattr(opening, "os", faults)
    said = refusal(tmp_path / "a")
    assert faults.met
    assert bool(said) == (fault == "EIO")
    assert not said or (str(tmp_path / "a") in said and ("at byte" in said or "cannot be opened" in said))


def test_case_5_without_memory_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save(tmp_path / "a", mf(1.0))
    monkeypatch.setattr(atomic, "os", Faults("no memory", 4))
    with pytest.raises(MemoryError):
        save(tmp_path / "a", mf(2.0))
    assert numbers_of(tmp_path / "a") == {1.0}
    assert os.listdir(tmp_path) == ["a"]


def test_case_6_of_two_writers_the_second_fails_at_once(tmp_path: Path):
    with atomic.lock(tmp_path / "a"), pytest.raises(ArtifactError, match="being written by another process"):
        save(tmp_path / "a", mf(1.0))
    save(tmp_path / "a", mf(2.0))
    assert numbers_of(tmp_path / "a") == {2.0}


@pytest.mark.parametrize("damaged", [False, True])
def test_case_6_what_else_lies_in_an_artifact_is_not_written_over(damaged: bool, tmp_path: Path):
    folder = save(tmp_path / "a", mf(1.0))
    (folder / "thesis.txt").write_text("years of work")
    if damaged:
        (folder / "manifest.json").write_text('{"kind": "recprune artifact"')
    with pytest.raises(ArtifactError, match=r"holds 'thesis\.txt'"):
        save(folder, mf(2.0))
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_case_9_a_flipped_bit_names_the_file(tmp_path: Path):
    folder = save(tmp_path / "a", mf(1.0))
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-3] ^= 4
    (folder / "weights.safetensors").write_bytes(data)
    assert "weights.safetensors is damaged: its sha256" in refusal(folder)


@pytest.mark.parametrize("change", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: b""])
def test_case_10_a_file_of_another_length_is_refused_before_it_is_read(
    change: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = save(tmp_path / "a", mf(1.0))
    path = folder / "weights.safetensors"
    path.write_bytes(change(path.read_bytes()))
    monkeypatch.setattr(weights, "_header", lambda *_: pytest.fail("it was read"))
    assert "bytes where the manifest says" in refusal(folder)


def test_case_11_a_header_of_a_million_tensors_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = save(tmp_path / "a", mf(1.0))
    header = b"{" + b",".join(b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % n for n in range(10**5))
    data = len(header).to_bytes(8, "little") + header
    rewritten(folder, data)
    monkeypatch.setattr(weights, "_places", lambda *_: pytest.fail("it was parsed"))
    assert "no possible safetensors header" in refusal(folder)
    many = {f"t{n}": {"dtype": "F32", "shape": [0]} for n in range(10**5)}
    changed(folder, tensors=many)
    assert "no possible safetensors header" in refusal(folder)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b", "a#b", "%2e%2e", "a\0b", "..", "", ".hidden", "a..b", "ä"]
)
def test_case_12_names_are_letters_and_dots_and_nothing_else_is_opened(name: str, tmp_path: Path):
    folder = save(tmp_path / "a", mf(1.0))
    manifest = json.loads((folder / "manifest.json").read_text())
    changed(folder, tensors={name: {"dtype": "F32", "shape": [1]}})
    assert "is not made of letters" in refusal(folder)
    changed(folder, tensors=manifest["tensors"], files={**manifest["files"], name: {"bytes": 1, "sha256": ""}})
    assert "is none of an artifact" in refusal(folder)


@pytest.mark.parametrize("how", [os.symlink, os.link])
def test_case_12_links_are_not_followed(how: Callable[[Path, Path], None], tmp_path: Path):
    folder = save(tmp_path / "a", mf(1.0))
    (folder / "weights.safetensors").rename(tmp_path / "other")
    how(tmp_path / "other", folder / "weights.safetensors")
    assert "cannot be opened" in refusal(folder)


def test_case_13_an_unknown_version_says_which_one_is_needed(tmp_path: Path):
    folder = save(tmp_path / "a", mf(1.0))
    changed(folder, format=5, version="3.0", needs="2.5")
    assert "written by recprune '3.0' and needs recprune '2.5' or newer" in refusal(folder)


@pytest.mark.parametrize("shape", [[3, 3], [2**40, 2**40], [6], [2**47, 2**47, 2**47]])
def test_case_14_other_shapes_and_sizes_that_overflow_take_no_memory(
    shape: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = save(tmp_path / "a", mf(1.0))
    tensors = json.loads((folder / "manifest.json").read_text())["tensors"]
    changed(folder, tensors={**tensors, "user.weight": {"dtype": "F32", "shape": shape}})
    monkeypatch.setattr(weights, "_tensor", lambda *_: pytest.fail("room was made"))
    assert refusal(folder)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_case_15_numbers_that_are_not_finite_are_neither_stored_nor_loaded(bad: float, tmp_path: Path):
    model, folder = mf(1.0), save(tmp_path / "a", mf(1.0))
    model.item.weight.data[0, 0] = bad
    with pytest.raises(ArtifactError, match=r"'item\.weight' holds 1 numbers that are NaN or infinite"):
        save(tmp_path / "b", model)
    rewritten(folder, to_bytes({name: p.detach() for name, p in model.named_parameters()}))
    assert "holds NaN or infinite numbers" in refusal(folder)


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("indptr", [0, 2, 1, 3]),
        ("indptr", [0, 1, 2, 4]),
        ("indptr", [1, 1, 2, 3]),
        ("indices", [0, 3, 1]),
        ("indices", [0, -1, 1]),
        ("indices", [1, 0, 1]),
        ("indices", [1, 1, 1]),
    ],
)
def test_case_16_sparse_indices_are_checked_whole_before_they_are_used(part: str, values: list[int], tmp_path: Path):
    model = Ease(3)
    good = ItemItem(torch.ones(3), torch.tensor([0, 1, 1]), torch.tensor([0, 2, 2, 3]), 3)
    model.items = good
    folder = save(tmp_path / "a", model)
    assert not refusal(folder)
    tensors = {name: t.detach().clone() for name, t in [*model.named_parameters(), *model.named_buffers()]}
    tensors[f"items.{part}"] = torch.tensor(values, dtype=tensors[f"items.{part}"].dtype)
    data = to_bytes(tensors)
    changed(folder, tensors={n: {"dtype": DTYPES[t.dtype], "shape": list(t.shape)} for n, t in tensors.items()})
    rewritten(folder, data)
    assert "indices are damaged" in refusal(folder)


@pytest.mark.parametrize("ids", [["a", "b", "c"], ["a", "a"]])
def test_case_17_an_id_without_a_row_of_its_own_is_refused(ids: list[str], tmp_path: Path):
    folder = save(tmp_path / "a", mf(1.0), vocabularies={"user": Vocabulary("user", ["a", "b"])})
    data = json.dumps(ids).encode()
    (folder / "vocabulary-0.json").write_bytes(data)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    files["vocabulary-0.json"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    changed(folder, files=files)
    assert "every id needs one of its own" in refusal(folder) or "not unique" in refusal(folder)
    with pytest.raises(RecpruneError, match=r"one of its own|not unique"):
        save(tmp_path / "b", mf(1.0), vocabularies={"user": Vocabulary("user", ids)})


@pytest.mark.parametrize("name", ["m.pt", "m.npz", "m.pkl", "m.pt2", "m.keras"])
def test_case_18_foreign_files_are_refused_with_the_command_that_reads_them(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(b"\x80\x04.")
    assert f"recprune import {tmp_path / name} -o FOLDER" in refusal(tmp_path / name)


class Evil:
    def __reduce__(self) -> object:
        return print, ("never",)


def test_case_19_a_forbidden_global_is_named_and_nothing_else_is_tried(tmp_path: Path):
    torch.save({"w": torch.ones(1), "x": Evil()}, tmp_path / "m.pt")
    with pytest.raises(ArtifactError, match=r"asks for \S*print\b"):
        import_file(tmp_path / "m.pt", tmp_path / "a")


def test_case_20_what_expands_beyond_the_cap_is_refused(tmp_path: Path):
    torch.save({"w": torch.zeros(1).expand(10**9)}, tmp_path / "m.pt")
    np.savez_compressed(tmp_path / "m.npz", w=np.zeros(10**6))
    with pytest.raises(ArtifactError, match=r"would take 4,000,000,000 bytes, and [\d,]+ are allowed"):
        import_file(tmp_path / "m.pt", tmp_path / "a")
    with pytest.raises(ArtifactError, match=r"would take 8,000,[\d]+ bytes, and 1,000,000 are allowed"):
        import_file(tmp_path / "m.npz", tmp_path / "a", cap=1_000_000)


@pytest.mark.parametrize(
    "text", ['[roles]\nusr = "u"', 'format = "a"\nformat = "b"', "x = __import__('os')", 'pth = "u"']
)
def test_case_21_a_description_with_code_or_unknown_or_double_keys_is_refused(text: str, tmp_path: Path):
    (tmp_path / "log.toml").write_text(text)
    with pytest.raises(DataError, match=r"there are: |cannot be read"):
        read_log_toml(tmp_path / "log.toml")


def test_case_21_a_manifest_with_a_double_key_is_refused(tmp_path: Path):
    folder = save(tmp_path / "a", mf(1.0))
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text('{"kind": "x", ' + text.lstrip()[1:])
    assert "a key stands twice" in refusal(folder)


def test_case_22_every_line_of_a_log_is_used_or_told_by_number_and_reason(tmp_path: Path):
    lines = [
        b"u,i,r",
        b'"a",x,5',
        b'"b ""c""",y,4',
        b"c,z",
        b"d,q,1,2",
        b"e,\xe9,3",
        b"f\0,x,2",
        b'g,"x,1',
        b"",
        b"h,w,nan",
    ]
    (tmp_path / "log.csv").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines) + b"\r\n")
    log = delimited.read(tmp_path / "log.csv", Roles(user="u", item="i", rating="r"))
    assert log.frame.collect().rows() == [("a", "x", 5.0), ('b "c"', "y", 4.0), ("f\0", "x", 2.0)]
    assert log.rejected.rows.select("line", "reason").collect().rows() == [
        (4, "wrong number of columns"),
        (5, "wrong number of columns"),
        (6, "not UTF-8"),
        (8, "quotes that do not close"),
        (9, "empty line"),
        (10, "rating is not finite"),
    ]


FILES = ["plan.json", "proof.json", "runtimes.json"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact with everything that one can hold."""
    split, folder = tiny_split(), tmp_path_factory.mktemp("whole") / "a"
    big = recprune.build("mf", split, dim=8, seed=1)
    small = recprune.prune(big, split, 0.4, rule="magnitude", finetuned=False)
    proof = agree(big, small.plan, small.model, split.vocabularies, requests=20)
    save(folder, small.model, vocabularies=small.vocabularies, plan=small.plan, proof=proof)
    took = Took(1.5, 1.0, 2.0)
    record(folder, Speeds(checksum(small.model), "here", {1: {"eager": took}}, {1: "eager"}))
    return folder


def with_file(whole: Path, place: Path, name: str, text: str) -> Path:
    """The artifact with another text in one of its files, under a manifest that knows it."""
    shutil.copytree(whole, place)
    (place / name).write_text(text)
    files = json.loads((whole / "manifest.json").read_text())["files"]
    facts = {"bytes": len(text.encode()), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    changed(place, files={**files, name: facts})
    return place


@pytest.mark.parametrize("name", [*FILES, "vocabulary-0.json"])
def test_case_21_what_stands_in_any_file_says_one_thing(name: str, whole: Path, tmp_path: Path):
    text = (whole / name).read_text()
    assert not refusal(with_file(whole, tmp_path / "same", name, text))
    if name in FILES:
        assert "stands twice" in refusal(with_file(whole, tmp_path / "twice", name, '{"format": 1,' + text.strip()[1:]))
    for number, odd in enumerate(("NaN", "1e999", '"\\ud800"', "[" * 100_000, "9" * 5000, "{}", "[]", "null", "")):
        assert refusal(with_file(whole, tmp_path / str(number), name, odd)), odd[:20]


@pytest.mark.parametrize("name", ["proof.json", "runtimes.json"])
@pytest.mark.parametrize("odd", ["1" + "0" * 400, "1e308", "-1", "true", '"1"', "null", "[]", "{}"])
def test_case_15_a_number_of_proof_and_speeds_is_one(odd: str, name: str, whole: Path, tmp_path: Path):
    text = (whole / name).read_text()
    part = {"proof.json": r'"largest": [^,]+', "runtimes.json": r'"median": [^,]+'}[name]
    key = part.split(":")[0]
    said = refusal(with_file(whole, tmp_path / "a", name, re.sub(part, f"{key}: {odd}", text, count=1)))
    assert bool(said) == (odd not in ("1e308", "-1") or name == "runtimes.json")


def test_case_14_a_plan_of_a_billion_units_takes_no_memory(whole: Path, tmp_path: Path):
    said = json.loads((whole / "plan.json").read_text())
    site = said["survey"]["sites"][0]
    site["size"], said["kept"] = 2**31, {site["name"]: f"0-{2**31 - 1}"}
    assert "more than there can be" in refusal(with_file(whole, tmp_path / "a", "plan.json", json.dumps(said)))


def test_case_25_ids_beyond_31_and_53_bits_and_negative_ones_stay_apart():
    ids = ["2147483653", "5", "9007199254740993", "9007199254740992", "-1", "16777217", "16777216"]
    log = Log(pl.LazyFrame({"u": ids, "i": ids}), Roles(user="u", item="i"))
    dataset = recprune.encode(log)
    assert dataset.vocabularies["user"].decode(dataset["user"]) == ids
    assert len(set(dataset["user"].tolist())) == len(ids)
    assert dataset["user"].min() == 1


def test_case_26_half_a_character_is_no_id_and_forms_stay_apart():
    with pytest.raises(DataError, match="half a character"):
        Vocabulary("user", ["\ud800", "a"])
    forms = ["caf\u00e9", "cafe\u0301", "caf\u00e9\u200b", "\u202ecaf", "\U0001f600"]
    dataset = recprune.encode(Log(pl.LazyFrame({"u": forms, "i": forms}), Roles(user="u", item="i")))
    assert dataset.vocabularies["user"].decode(dataset["user"]) == forms


def made(rows: list[tuple[str, str, float, int]]) -> Log:
    frame = pl.LazyFrame(rows, schema=["u", "i", "r", "t"], orient="row")
    return Log(frame, Roles(user="u", item="i", rating="r", time="t"))


def test_case_27_doubles_are_counted_and_never_added_up_unasked():
    log = made([("a", "x", 1.0, 1), ("a", "x", 5.0, 9), ("a", "x", 3.0, 2), ("b", "x", 2.0, 1)])
    once = clean(log)
    assert once.frame.collect()["r"].to_list() == [5.0, 2.0]
    assert sum(once.rejected.counts.values()) == 2


def test_case_28_equal_times_keep_the_order_of_rows_and_missing_ones_are_refused():
    rows = [("a", item, 1.0, 7) for item in "xyzw"]
    split = split_last(recprune.encode(made(rows)))
    assert split.test.vocabularies["item"].decode(split.test["item"]) == ["w"]
    timeless = recprune.encode(Log(made(rows).frame.drop("t"), Roles(user="u", item="i")))
    for needs_time in (split_by_user_time, split_by_time, split_last):
        with pytest.raises(DataError, match="time"):
            needs_time(timeless)
    assert len(split_random(timeless).train) == 2


def test_case_28_rows_out_of_order_and_times_to_come_go_by_their_number():
    later = 4_102_444_800  # 2100-01-01
    rows = [("a", "x", 1.0, 5), ("a", "y", 1.0, later), ("a", "z", 1.0, -3), ("a", "w", 1.0, 5), ("b", "x", 1.0, 1)]
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(len(rows))
        drawn = recprune.encode(made([rows[at] for at in order]))
        for split in (split_last(drawn), split_by_user_time(drawn, 0.2, 0.2), split_by_time(drawn, 0.2, 0.2)):
            words = {name: split.test.vocabularies[name] for name in ("user", "item")}
            of_a = [item for user, item in decoded(split.test, words) if user == "a"]
            assert of_a == ["y"]
            assert "z" in [item for _, item in decoded(split.train, words)]


def decoded(part: Dataset, words: dict[str, Vocabulary]) -> list[tuple[str, str]]:
    return list(zip(*(words[name].decode(part[name]) for name in ("user", "item")), strict=True))


def test_case_28_a_row_without_a_time_is_told_by_its_line(tmp_path: Path):
    (tmp_path / "log.csv").write_text("u,i,t\na,x,1\na,y,\na,z,soon\nb,x,2\n")
    log = delimited.read(tmp_path / "log.csv", Roles(user="u", item="i", time="t"))
    assert log.frame.collect()["t"].to_list() == [1, 2]
    told = log.rejected.rows.select("line", "reason").collect().rows()
    assert [line for line, _ in told] == [3, 4]
    assert all("time" in reason for _, reason in told)


def test_case_29_a_pair_in_train_and_test_is_an_error_with_the_count():
    with pytest.raises(DataError, match="1 pairs"):
        split_given(made([("a", "x", 1.0, 1), ("b", "y", 1.0, 1)]), made([("a", "x", 1.0, 2)]))


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_case_36_labels_of_one_class_give_no_number_and_no_model(label: float):
    found = click_scores(np.array([1.0, -1.0, 2.0]), np.full(3, label))
    assert found.mean["auc"] is None
    assert "AUC compares two classes" in found.why["auc"]
    split = tiny_clicks()
    columns = {**split.train.columns, "label": np.full(len(split.train), label, np.float32)}
    one = replace(split, train=replace(split.train, columns=columns))
    with pytest.raises(TrainingError, match="learns nothing"):
        recprune.fit(recprune.build("deepfm", one, dim=4), one, recprune.FitOptions(epochs=1, threads=1))


def test_case_37_numbers_that_are_not_finite_are_missing_and_constant_ones_are_told():
    columns = {"u": list("abcd"), "i": list("xyxy"), "p": [math.nan, 2.0, 4.0, math.inf], "c": [3.0] * 4}
    log = Log(pl.LazyFrame(columns), Roles(user="u", item="i", numeric=("p", "c")))
    matrix = FeatureMatrix.of_rows(recprune.encode(log), ("p", "c"))
    rows = matrix.rows(np.arange(4))
    assert np.isfinite(rows).all()
    price = rows[:, matrix.names.index("p")]
    assert price[0] == price[3] == 0
    assert price[1] == -price[2] < 0
    assert matrix.constant == ("c",)


def test_case_37_columns_that_say_nothing_leave_first_and_are_listed():
    columns = {"u": list("abcd"), "i": list("xyxy"), "p": [1.0, 2.0, 4.0, 9.0], "c": [3.0] * 4, "e": [math.nan] * 4}
    log = Log(pl.LazyFrame(columns), Roles(user="u", item="i", numeric=("p", "c", "e")))
    matrix = FeatureMatrix.of_rows(recprune.encode(log), ("p", "c", "e"))
    assert matrix.constant == ("c", "e")
    assert "2 constant" in str(matrix)
    assert not matrix.rows(np.arange(4))[:, 1:].any()
    chosen = recprune.FeatureSelector(factor=0.67).fit(matrix, np.array([1.0, 2.0, 3.0, 5.0]))
    assert chosen.get_support().tolist() == [True, False, False]


def test_case_37_a_category_met_in_test_alone_has_row_0_of_a_model_that_was_made_before():
    parts = [
        Log(
            pl.LazyFrame({"u": ["a", "b"], "i": ["x", "y"], "city": city}),
            Roles(user="u", item="i", categorical=("city",)),
        )
        for city in (["Bonn", "Ulm"], ["Ulm", "Oslo"])
    ]
    train = recprune.encode(parts[0])
    later = recprune.encode(parts[1], train.vocabularies)
    assert later["city"].tolist() == [train.vocabularies["city"].encode(["Ulm"])[0], 0]
    with_all = FeatureMatrix.of_rows(train, ("city",))
    assert with_all.like(later).shape == with_all.shape
    bonn, ulm = (with_all.names.index(name) for name in ("city=Bonn", "city=Ulm"))
    assert with_all.like(later).x.toarray()[:, [bonn, ulm]].tolist() == [[0, 1], [0, 0]]


def test_case_38_a_loss_that_is_not_finite_ends_the_training_and_reaches_no_artifact(tmp_path: Path):
    split = tiny_split()
    model = recprune.build("mf", split, dim=4)
    model.bias.data[2] = math.nan
    with pytest.raises(TrainingError):
        recprune.fit(model, split, recprune.FitOptions(epochs=1, checkpoint=tmp_path / "c", threads=1))
    with pytest.raises(ArtifactError, match="NaN"):
        save(tmp_path / "a", model)
    assert os.listdir(tmp_path) == []


class Spoiling(MF):
    """A factorisation of which one gradient, in one step, is not finite; its losses are."""

    spoil = False

    def forward(self, *columns: torch.Tensor) -> torch.Tensor:
        out = super().forward(*columns)
        if self.spoil and out.requires_grad:
            out.register_hook(lambda gradient: gradient * math.inf)
        return out


def test_case_38_a_gradient_that_is_not_finite_ends_the_training_and_the_checkpoint_before_it_goes_on(tmp_path: Path):
    split, options = tiny_split(), recprune.FitOptions(epochs=4, checkpoint=tmp_path / "c", threads=1, batch=10_000)

    def fresh() -> Spoiling:
        torch.manual_seed(0)
        return Spoiling(split.train.n_users, split.train.n_items, 4)

    whole = fresh()
    recprune.fit(whole, split, replace(options, checkpoint=None))
    broken = fresh()

    def spoil(epoch: recprune.training.fit.Epoch) -> None:
        broken.spoil = epoch.number == 2

    with pytest.raises(TrainingError, match="epoch 3") as error:
        recprune.fit(broken, split, options, progress=spoil)
    assert error.value.epoch == 3
    with pytest.raises(ArtifactError, match="NaN"):
        save(tmp_path / "a", broken)
    assert os.listdir(tmp_path) == ["c"]
    again = fresh()
    assert len(recprune.fit(again, split, options).history) == 4
    assert all(map(torch.equal, again.parameters(), whole.parameters()))


SPLIT = tiny_split()


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    made = recprune.build("mf", SPLIT, dim=4, seed=1)
    made.bias.data.copy_(torch.rand(len(made.bias), generator=torch.Generator().manual_seed(0)))
    return made


def plan_of(model: torch.nn.Module, factor: float, rule: str = "magnitude") -> recprune.Plan:
    return recprune.prune(model, SPLIT, factor, rule=rule, finetuned=False).plan


@pytest.mark.parametrize("factor", [math.nan, True, "50%", 1.01, -0.1, None])
def test_case_39_a_factor_that_is_none_is_refused(factor: object):
    with pytest.raises(BudgetError):
        recprune.Budget(factor)  # type: ignore[arg-type]


def test_case_39_factor_0_changes_no_bit_and_factor_1_is_refused(model: torch.nn.Module):
    same = recprune.prune(model, SPLIT, 0.0, rule="magnitude", finetuned=False).model
    assert all(map(torch.equal, same.parameters(), model.parameters()))
    with pytest.raises(BudgetError, match="at most"):
        plan_of(model, 1.0)


def test_case_40_ties_are_cut_in_order_and_to_the_number_and_nan_is_refused(model: torch.nn.Module):
    even = recprune.build("mf", SPLIT, dim=8, seed=1)
    for parameter in even.parameters():
        parameter.data.fill_(0.5)
    found = recprune.survey(even, (torch.arange(3),))
    scores = {site.name: torch.zeros(site.size) for site in found.sites}
    plan = recprune.choose(found, scores, recprune.Budget(0.5))
    assert plan.account().share_removed >= 0.5
    for site in found.sites:
        assert plan.leaving(site).tolist() == list(range(len(plan.leaving(site))))
    scores[found.sites[0].name][1] = math.nan
    with pytest.raises(BudgetError, match=r"finite|NaN"):
        recprune.choose(found, scores, recprune.Budget(0.5))


def test_case_41_the_same_plan_comes_again_with_other_threads_and_cutting_nothing_more_changes_nothing(
    model: torch.nn.Module,
):
    first, threads = plan_of(model, 0.4), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert plan_of(model, 0.4) == first
    finally:
        torch.set_num_threads(threads)
    small = recprune.prune(model, SPLIT, 0.4, rule="magnitude", finetuned=False)
    nothing = recprune.survey(small.model, (torch.tensor([1, 2]),))
    again = recprune.apply(small.model, recprune.Plan(nothing, {}, recprune.Budget(0.0)), (torch.tensor([1, 2]),))
    assert all(map(torch.equal, again.parameters(), small.model.parameters()))


@pytest.mark.parametrize("rule", ["magnitude", "taylor", "mse_increase"])
def test_case_41_pruning_twice_gives_the_same_model_to_the_bit(model: torch.nn.Module, rule: str):
    options = recprune.FitOptions(epochs=1, threads=1)
    first, second = (recprune.prune(model, SPLIT, 0.4, rule=rule, options=options) for _ in range(2))
    assert first.plan == second.plan
    assert all(map(torch.equal, first.model.parameters(), second.model.parameters()))


def test_case_41_a_pruning_that_was_stopped_on_the_way_goes_on_to_the_same_end(model: torch.nn.Module, tmp_path: Path):
    def run(folder: Path, stop: int = 99) -> Pruned:
        seen: list[str] = []

        def stage(name: str, *_: object) -> AbstractContextManager[object]:
            seen.append(name)
            if len(seen) == stop:
                raise KeyboardInterrupt
            return silent(name)

        return gradual(
            model,
            SPLIT,
            0.5,
            steps=3,
            rule="magnitude",
            options=recprune.FitOptions(epochs=3, threads=1),
            folder=folder,
            stage=stage,
        )

    whole = run(tmp_path / "whole")
    for stop in (2, 4, 6):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / str(stop), stop)
        again = run(tmp_path / str(stop))
        assert again.plan == whole.plan
        assert all(map(torch.equal, again.model.parameters(), whole.model.parameters()))


@pytest.mark.parametrize("name", ["mf", "ease", "als"])
def test_case_41_lists_are_the_same_for_every_size_of_batch_and_number_of_threads(name: str):
    made = recprune.build(name, SPLIT, seed=1)
    if hasattr(made, "refit_"):
        made.refit_(SPLIT.train.histories())
    users, threads = np.arange(1, SPLIT.train.n_users), torch.get_num_threads()
    found = []
    try:
        for batch, number in ((1024, 1), (1, 1), (7, 2), (1024, 3)):
            torch.set_num_threads(number)
            found.append(rank(made, SPLIT.train.histories(), users, 5, batch=batch).tolist())
    finally:
        torch.set_num_threads(threads)
    assert all(one == found[0] for one in found)


def test_case_42_zeros_alone_are_no_smaller_by_a_byte(model: torch.nn.Module, tmp_path: Path):
    plan = plan_of(model, 0.4)
    save(tmp_path / "big", model)
    save(tmp_path / "masked", masked(model, plan))
    sizes = [(tmp_path / name / "weights.safetensors").stat().st_size for name in ("big", "masked")]
    assert sizes[0] == sizes[1] > plan.file_bytes()
    with pytest.raises(SurgeryError, match="this cut does not leave"):
        masked(model, plan, small=masked(model, plan))


def test_case_43_files_are_little_endian_on_every_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = save(tmp_path / "a", mf(1.0))
    monkeypatch.setattr(weights.sys, "byteorder", "big")
    swapped = load(folder).model.item.weight.detach().numpy()
    assert swapped.byteswap().tolist() == np.ones((4, 2)).tolist()


ELSEWHERE = """
import hashlib, locale, os, sys, time, torch, recprune
from pathlib import Path
now = time.time
if "--jump" in sys.argv:  # a clock that is set back and forth
    jumps = [0.0]
    def jumping():
        jumps[0] += 1
        return now() + (-1) ** int(jumps[0]) * 1e6 * (jumps[0] % 7)
    time.time = jumping
locale.setlocale(locale.LC_ALL, "")
from recprune.data.log import clean
from recprune.data.read import read
from recprune.data.split import split_by_time
from recprune.serving.fast import recommender_of
torch.set_num_threads(1)
split = split_by_time(recprune.encode(clean(read(Path(sys.argv[1])), since="2013-02-28")))
words = [split.train["rating"].tolist(), split.train["time"].tolist(), split.test["time"].tolist()]
histories = split.train.histories()
for name in ("mf", "ease", "item_knn", "als"):
    model = recprune.build(name, split, seed=1)
    if hasattr(model, "refit_"):
        model.refit_(histories)
    if name == "mf":
        plan = recprune.prune(model, split, 0.4, rule="magnitude", finetuned=False).plan
        words.append(hashlib.sha256(plan.to_json().encode()).hexdigest())
    listing = recommender_of(model.eval(), split.train.n_items, split.train.n_users)
    for user in range(1, 9):
        mine = histories.items[histories.starts[user] : histories.starts[user + 1]].astype("int64")
        words.append(listing.lists(user, mine, 20, mine).items.tolist())
print(locale.localeconv()["decimal_point"], time.tzname[0], os.cpu_count() and len(os.sched_getaffinity(0)))
print(words)
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[str, str]]:
    """What a process says of itself, and what it makes of one log: split, plans and lists of 20."""
    at, rng = tmp_path_factory.mktemp("elsewhere"), np.random.default_rng(0)
    pairs = sorted({(int(u), int(i)) for u, i in rng.integers(0, 30, (500, 2))})
    days = rng.integers(0, 60, len(pairs))
    rows = [
        f"u{u},i{i},{(u + i) % 5 + 0.5},{1_361_990_000 + int(d) * 86_400}"
        for (u, i), d in zip(pairs, days, strict=True)
    ]
    (at / "log.csv").write_text("\n".join(["user,item,rating,time", *rows]))
    words = 'format = "delimited"\npath = "log.csv"\n[roles]\n'
    names = ("user", "item", "rating", "time")
    (at / "log.toml").write_text(words + "".join(f'{name} = "{name}"\n' for name in names))

    def run(*arguments: str, before: tuple[str, ...] = (), **more: str) -> tuple[str, str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **more}
        line = [*before, sys.executable, "-c", ELSEWHERE, str(at / "log.toml"), *arguments]
        done = subprocess.run(line, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        place, _, said = done.stdout.partition("\n")
        return place, said

    return run


@pytest.fixture(scope="module")
def here(elsewhere: Callable[..., tuple[str, str]]) -> str:
    """What it makes of it here, by all that this processor has."""
    return elsewhere(PYTHONHASHSEED="0", TZ="UTC", LC_ALL="C")[1]


@pytest.mark.parametrize("kernels", ["numpy", *LEVELS])
def test_case_43_every_processor_lists_the_same_twenty(
    kernels: str, here: str, elsewhere: Callable[..., tuple[str, str]]
):
    if kernels not in dispatch._there():
        pytest.skip(f"{kernels} does not run here")
    plain = {"ATEN_CPU_CAPABILITY": "default"} if kernels in ("numpy", "portable C") else {}
    assert elsewhere(RECPRUNE_KERNELS=kernels, **plain)[1] == here


@pytest.mark.skipif(shutil.which("taskset") is None, reason="processors are taken away by taskset")
def test_case_43_one_processor_lists_what_several_do(here: str, elsewhere: Callable[..., tuple[str, str]]):
    first = str(min(os.sched_getaffinity(0)))
    place, said = elsewhere(before=("taskset", "-c", first))
    assert place.split()[-1] == "1"
    assert said == here


def test_case_44_the_clock_the_time_zone_and_the_seed_of_hashes_change_nothing(
    here: str, elsewhere: Callable[..., tuple[str, str]]
):
    places = set()
    for zone, arguments in (("Asia/Kolkata", ()), ("America/New_York", ("--jump",)), ("Pacific/Apia", ())):
        place, said = elsewhere(*arguments, PYTHONHASHSEED=str(len(zone)), TZ=zone)
        places.add(place)
        assert said == here
    assert len(places) == 3


def test_case_44_a_language_that_writes_numbers_with_a_comma_changes_nothing(
    here: str, elsewhere: Callable[..., tuple[str, str]], tmp_path: Path
):
    """Made for this test, where the system has what languages are made of."""
    made = shutil.which("localedef") and subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")], capture_output=True
    )
    if not made or not (tmp_path / "de_DE.UTF-8").is_dir():
        pytest.skip("no language can be made here")
    place, said = elsewhere(LOCPATH=str(tmp_path), LC_ALL="de_DE.UTF-8")
    assert place[0] == ","
    assert said == here
