"""gs:// against an emulator of Google Cloud Storage on this machine; without gcsfs and the emulator it is skipped."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from recprune.data.address import Address, located
from recprune.data.read import read
from recprune.data.storage import state_of
from recprune.errors import DataError

os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # it would ask Google what kind a bucket is
fsspec = pytest.importorskip("fsspec")
gcsfs = pytest.importorskip("gcsfs", reason="the extra gs (gcsfs) is not installed")
emulator = pytest.importorskip("gcp_storage_emulator.server", reason="gcp-storage-emulator is not installed")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A storage at a free port of this machine, with an empty bucket `shop`."""
    server = emulator.create_server("localhost", 0, in_memory=True, default_bucket="shop")
    server.start()
    _, port = server._api._httpd.socket.getsockname()[:2]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{port}")
    gcsfs.GCSFileSystem.clear_instance_cache()
    yield fsspec.filesystem("gs")
    gcsfs.GCSFileSystem.clear_instance_cache()
    server.stop()


def at(text: str) -> Address:
    there = located(text)
    assert isinstance(there, Address)
    return there


def parquet(**columns: list[Any]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(columns).write_parquet(out)
    return out.getvalue()


def test_a_file_is_read_and_known_by_its_checksum(bucket: Any) -> None:
    text = b"user,item,rating\na,x,5\nb,y,much\n"
    bucket.pipe("shop/logs/may.csv", text)
    log = read("gs://shop/logs/may.csv")
    assert log.frame.collect().rows() == [("a", "x", 5.0)]
    assert dict(log.rejected.counts) == {"rating is no number": 1}
    files = {"may.csv": {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}}
    assert log.origin == ({"source": "gs://shop/logs/may.csv", "files": files},)


def test_a_file_of_several_pieces_comes_whole(bucket: Any) -> None:
    rows = [f"u{row},i{row % 97},{'x' * 100}" for row in range(60_000)]
    bucket.pipe("shop/large.csv", "\n".join(["user,item,words", *rows]).encode())
    log = read("gs://shop/large.csv")
    frame = log.frame.collect()
    assert frame.height == 60_000
    assert frame.row(-1)[:2] == ("u59999", f"i{59_999 % 97}")


def test_a_folder_of_parquet_files_is_read_with_its_partitions_and_nothing_else(bucket: Any) -> None:
    bucket.pipe("shop/logs/day=1/a.parquet", parquet(user=[1], item=["x"]))
    bucket.pipe("shop/logs/day=2/b.parquet", parquet(user=[2], item=["y"]))
    bucket.pipe("shop/logs/_tmp/c.parquet", parquet(user=[9], item=["z"]))
    log = read("gs://shop/logs")
    found = log.frame.collect().sort("user")
    assert found["user"].cast(pl.Int64).to_list() == [1, 2]
    assert found["day"].cast(pl.Int64).to_list() == [1, 2]


def test_a_pattern_finds_its_files(bucket: Any) -> None:
    for month, user in (("may", 1), ("june", 2), ("july", 3)):
        bucket.pipe(f"shop/{month}.parquet", parquet(user=[user], item=["x"]))
    log = read("gs://shop/ju*.parquet")
    found = log.frame.collect()
    assert sorted(found["user"].cast(pl.Int64).to_list()) == [2, 3]


def test_another_state_is_told_from_this_one_without_reading_it(bucket: Any) -> None:
    bucket.pipe("shop/log.csv", b"user,item\na,x\n")
    before = state_of(at("gs://shop/log.csv"))
    assert state_of(at("gs://shop/log.csv")) == before
    bucket.pipe("shop/log.csv", b"user,item\nb,x\n")
    bucket.invalidate_cache()
    assert state_of(at("gs://shop/log.csv")) != before


@pytest.mark.parametrize("where", ["gs://shop/none.csv", "gs://other/log.csv"])
def test_what_is_not_there_is_refused_by_its_address(bucket: Any, where: str) -> None:
    with pytest.raises(DataError, match=where):
        read(where)
