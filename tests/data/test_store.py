"""The prepared folder: whole, checked, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recprune.data.dataset import Roles, Split
from recprune.data.encode import encode
from recprune.data.log import Log
from recprune.data.split import split_last
from recprune.data.store import load_split, save_split, sources_of
from recprune.errors import DataError


def tiny() -> Split:
    frame = pl.LazyFrame(
        {
            "u": ["a", "a", "a", "b"],
            "i": ["x", "１", "1_0", "x"],
            "t": [1, 2, 3, 4],
            "n": [0.1, None, 3.0, 4.0],
            "g": [["p", "q"], [], ["q"], ["p"]],
            "d/../e": ["k", "l", None, "k"],
        }
    )
    roles = Roles(user="u", item="i", time="t", numeric=("n",), multi=("g",), categorical=("d/../e",), of_user=("n",))
    return split_last(encode(Log(frame, roles)))


def test_save_then_load_gives_every_number_and_id_back(tmp_path: Path) -> None:
    split = tiny()
    loaded = load_split(save_split(split, tmp_path / "deep" / "prepared"))
    for before, after in zip(
        (split.train, split.valid, split.test), (loaded.train, loaded.valid, loaded.test), strict=True
    ):
        assert before.roles == after.roles
        assert before.vocabularies == after.vocabularies
        assert list(before.columns) == list(after.columns)
        for name, values in before.columns.items():
            assert after[name].dtype == values.dtype
            np.testing.assert_array_equal(after[name], values)


def test_the_same_split_gives_the_same_bytes(tmp_path: Path) -> None:
    first, again = save_split(tiny(), tmp_path / "a"), save_split(tiny(), tmp_path / "b")
    assert (first / "manifest.json").read_bytes() == (again / "manifest.json").read_bytes()


def test_a_prepared_folder_is_replaced_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    folder = save_split(tiny(), tmp_path / "prepared")
    save_split(tiny(), folder)
    assert [path.name for path in tmp_path.iterdir()] == ["prepared"]
    load_split(folder)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="not empty"):
        save_split(tiny(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_failure_while_writing_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_split(tiny(), tmp_path / "prepared")
    monkeypatch.setattr("recprune.data.store.json.dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_split(tiny(), folder)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["prepared"]
    load_split(folder)


@pytest.mark.parametrize("name", ["train.parquet", "vocabulary-0.parquet"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    folder = save_split(tiny(), tmp_path / "prepared")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        load_split(folder)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    folder = save_split(tiny(), tmp_path / "prepared")
    (folder / "test.parquet").unlink()
    with pytest.raises(DataError, match=r"test\.parquet is missing"):
        load_split(folder)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a prepared folder"):
        load_split(tmp_path / "nowhere")


@pytest.mark.parametrize("manifest", ["", "[]", '{"kind": "something else"}'])
def test_a_manifest_of_something_else_is_refused(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(DataError):
        load_split(tmp_path)


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    folder = save_split(tiny(), tmp_path / "prepared")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(DataError, match="version 99"):
        load_split(folder)


def test_a_manifest_that_names_a_file_outside_is_refused(tmp_path: Path) -> None:
    folder = save_split(tiny(), tmp_path / "prepared")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["vocabularies"]["user"] = "../elsewhere.parquet"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="manifest"):
        load_split(folder)


def test_what_a_split_was_made_of_stands_in_its_manifest_and_is_given_back(tmp_path: Path) -> None:
    sources = ({"source": "postgresql://host/shop", "query": "SELECT 1", "rows": 1, "sha256": "ab"},)
    save_split(tiny(), tmp_path / "with", sources)
    save_split(tiny(), tmp_path / "without")
    assert sources_of(tmp_path / "with") == sources
    assert sources_of(tmp_path / "without") == ()
    assert "sources" not in (tmp_path / "without" / "manifest.json").read_text()


def test_a_prepared_folder_that_holds_something_else_is_not_written_over(tmp_path: Path) -> None:
    folder = save_split(tiny(), tmp_path / "prepared")
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=r"holds 'thesis\.txt'"):
        save_split(tiny(), folder)
    assert (folder / "thesis.txt").read_text() == "years of work"


ODD = [
    None,
    1,
    "x",
    [],
    {},
    ["train.parquet"],
    {"a": 1},
    {"..": {"bytes": 1, "sha256": ""}},
    {"a": "../secret.parquet"},
]


@pytest.mark.parametrize("part", ["files", "vocabularies", "roles", "version", "kind"])
def test_case_12_and_21_a_manifest_that_says_something_else_is_refused(part: str, tmp_path: Path) -> None:
    folder = save_split(tiny(), tmp_path / "prepared")
    (tmp_path / "secret.parquet").write_bytes((folder / "vocabulary-0.parquet").read_bytes())
    good = json.loads((folder / "manifest.json").read_text())
    for odd in ODD:
        if good[part] == odd or (part in ("vocabularies", "roles") and odd == {}):
            continue
        (folder / "manifest.json").write_text(json.dumps({**good, part: odd}))
        with pytest.raises(DataError):
            load_split(folder)
    (folder / "manifest.json").write_text('{"kind": "x", ' + json.dumps(good)[1:])
    with pytest.raises(DataError, match="stands twice"):
        load_split(folder)
