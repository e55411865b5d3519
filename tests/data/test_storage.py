"""Files of a storage are copied once, checked, and read as files of this machine are."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recprune.data import storage
from recprune.data.address import located
from recprune.data.read import read, read_parts
from recprune.data.storage import copied, state_of
from recprune.errors import DataError, ExtensionError

Bytes = Callable[..., bytes]
fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory() -> Iterator[Any]:
    """An empty storage in memory."""
    held = fsspec.filesystem("memory")
    held.store.clear()
    held.pseudo_dirs[:] = [""]
    yield held
    held.store.clear()


def test_a_file_is_read_as_it_is_and_known_by_its_checksum(memory: Any) -> None:
    text = b"user,item,rating\na,x,5\nb,y,much\nc,,1\n"
    memory.pipe("/logs/may.csv", text)
    log = read("memory://logs/may.csv")
    assert log.frame.collect().rows() == [("a", "x", 5.0)]
    assert log.source == "memory://logs/may.csv"
    assert log.rejected.rows.collect().select("file", "line").rows() == [("memory://logs/may.csv", n) for n in (3, 4)]
    files = {"may.csv": {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}}
    assert log.origin == ({"source": "memory://logs/may.csv", "files": files},)


def test_a_folder_of_parquet_files_is_read_with_its_partitions_and_nothing_else(memory: Any, parquet_of: Bytes) -> None:
    memory.pipe("/logs/day=2/b.parquet", parquet_of(user=[2], item=["x"]))
    memory.pipe("/logs/day=1/a.parquet", parquet_of(user=[1], item=["x"]))
    memory.pipe("/logs/_tmp/day=1/c.parquet", parquet_of(user=[9], item=["x"]))
    memory.pipe("/logs/_SUCCESS", b"")
    memory.pipe("/logs/readme.txt", b"no log")
    log = read("memory://logs")
    assert log.frame.collect().rows() == [("1", "x", "1"), ("2", "x", "2")]
    assert list(log.origin[0]["files"]) == ["day=1/a.parquet", "day=2/b.parquet"]


@pytest.mark.parametrize(
    ("pattern", "users"),
    [("logs/*/a.parquet", ["1", "2"]), ("logs/day=[2]/*.parquet", ["2"]), ("logs/**/*.parquet", ["1", "2"])],
)
def test_a_pattern_finds_files_and_keeps_the_folders_between(
    pattern: str, users: list[str], memory: Any, parquet_of: Bytes
) -> None:
    memory.pipe("/logs/day=1/a.parquet", parquet_of(user=[1], item=["x"]))
    memory.pipe("/logs/day=2/a.parquet", parquet_of(user=[2], item=["x"]))
    log = read(f"memory://{pattern}")
    assert log.frame.collect()["user"].to_list() == users
    with pytest.raises(DataError, match=r"memory://logs/\*\.csv: no such file"):
        read("memory://logs/*.csv")


def test_the_parts_of_a_given_split_are_files_of_one_folder(memory: Any) -> None:
    for part, item in (("train", "x"), ("test", "y")):
        memory.pipe(f"/given/{part}.csv", f"user,item\na,{item}\n".encode())
    parts = read_parts("memory://given")
    assert {name: log.frame.collect()["item"].to_list() for name, log in parts.items()} == {
        "train": ["x"],
        "test": ["y"],
    }
    assert parts["test"].source == "memory://given/test.csv"
    with pytest.raises(DataError, match="memory://given: cannot tell which file"):
        read("memory://given")
    with pytest.raises(DataError, match="a database holds no files"):
        read_parts("postgresql://host/shop")


def test_the_copy_is_gone_with_the_log(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    memory.pipe("/log.csv", b"user,item\na,x\n")
    log = read("memory://log.csv")
    assert len(list(tmp_path.rglob("*.csv"))) == 1
    assert log.frame.collect().height == 1
    del log
    assert list(tmp_path.iterdir()) == []
    memory.pipe("/log.csv", b"")
    with pytest.raises(DataError, match=r"memory://log\.csv") as caught:
        read("memory://log.csv")
    assert str(tmp_path) not in f"{caught.value} {caught.value.parts}"


class Cut:
    """A storage whose files end before they should, or that fails."""

    def __init__(self, content: bytes, size: int, names: list[str]) -> None:
        self.content, self.size, self.names = content, size, names

    def exists(self, path: str) -> bool:
        return True

    def isfile(self, path: str) -> bool:
        return path in self.names

    def isdir(self, path: str) -> bool:
        return True

    def find(self, path: str) -> list[str]:
        return self.names

    def info(self, path: str) -> dict[str, Any]:
        return {"size": self.size}

    def open(self, path: str, mode: str) -> io.BytesIO:
        if not self.content:
            raise ConnectionError("gone: https://bucket.example/?X-Amz-Signature=hunter2")
        return io.BytesIO(self.content)


@pytest.mark.parametrize(
    ("content", "size", "names", "message"),
    [
        (b"user,item\n", 11, ["b/log.csv"], "10 bytes of 11 came of b/log.csv"),
        (b"", 11, ["b/log.csv"], "ConnectionError: gone"),
        (b"x", 1, ["b/a\\..\\log.csv"], "which lies elsewhere"),
        (b"x", 1, ["b/../../log.csv"], "no such file"),
        (b"x", 1 << 60, ["b/log.csv"], "bytes are needed"),
    ],
)
def test_what_comes_otherwise_than_it_should_is_refused(
    content: bytes, size: int, names: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(storage, "opened", lambda address: (Cut(content, size, names), "b"))
    with pytest.raises((DataError, OSError), match=message) as caught:
        copied(located("s3://b"))
    assert "hunter2" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_two_states_of_the_files_are_told_apart(memory: Any) -> None:
    memory.pipe("/log.csv", b"user,item\na,x\n")
    before = state_of(located("memory://log.csv"))
    assert state_of(located("memory://log.csv")) == before
    memory.pipe("/log.csv", b"user,item\nb,x\n")
    assert state_of(located("memory://log.csv")) != before


def test_a_source_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"mysql://\.\.\.: no such source; there are postgresql"):
        read("mysql://ann@host/shop")
    with pytest.raises(DataError, match=r"memory://nothing: no such file or folder"):
        read("memory://nothing")


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "gcsfs", None)
        known = sys.modules["fsspec.registry"]._registry
        without.delitem(known, "gs", raising=False)  # where another test has read from it
        with pytest.raises(ExtensionError, match=r"gs:// needs a package .*'recprune\[gs\]'"):
            read("gs://bucket/log.csv")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ExtensionError, match=r"pip install 'recprune\[storage\]'"):
        read("memory://log.csv")
