"""gs:// and s3:// against servers on this machine that speak as they do; one without its packages is skipped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest

from recprune.data.address import located
from recprune.data.read import read
from recprune.data.storage import state_of
from recprune.errors import DataError

os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # it would ask Google what kind a bucket is
Bytes = Callable[..., bytes]
fsspec = pytest.importorskip("fsspec")


@dataclass(frozen=True, slots=True)
class Bucket:
    """An empty bucket `shop`. at: what its addresses begin with; files: the storage, as fsspec sees it."""

    at: str
    files: Any


@contextmanager
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An emulator of Google Cloud Storage."""
    gcsfs = pytest.importorskip("gcsfs", reason="the extra gs (gcsfs) is not installed")
    emulator = pytest.importorskip("gcp_storage_emulator.server", reason="gcp-storage-emulator is not installed")
    server = emulator.create_server("localhost", 0, in_memory=True, default_bucket="shop")
    server.start()
    _, port = server._api._httpd.socket.getsockname()[:2]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{port}")
    gcsfs.GCSFileSystem.clear_instance_cache()
    yield Bucket("gs://shop", fsspec.filesystem("gs"))
    gcsfs.GCSFileSystem.clear_instance_cache()
    server.stop()


@contextmanager
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A server that mocks Amazon S3."""
    s3fs = pytest.importorskip("s3fs", reason="the extra s3 (s3fs) is not installed")
    moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    said = {"ENDPOINT_URL": f"http://{host}:{port}", "ACCESS_KEY_ID": "ann", "SECRET_ACCESS_KEY": "none"}
    for name, value in {**said, "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = fsspec.filesystem("s3")
    files.mkdir("shop")
    yield Bucket("s3://shop", files)
    files.rm("shop", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(params=[google, amazon], ids=["gs", "s3"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with request.param(monkeypatch) as made:
        yield made


def test_a_file_is_read_and_known_by_its_checksum(bucket: Bucket) -> None:
    text = b"user,item,rating\na,x,5\nb,y,much\n"
    bucket.files.pipe("shop/logs/may.csv", text)
    log = read(f"{bucket.at}/logs/may.csv")
    assert log.frame.collect().rows() == [("a", "x", 5.0)]
    assert dict(log.rejected.counts) == {"rating is no number": 1}
    files = {"may.csv": {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}}
    assert log.origin == ({"source": f"{bucket.at}/logs/may.csv", "files": files},)


def test_a_file_of_several_pieces_comes_whole(bucket: Bucket) -> None:
    rows = [f"u{row},i{row % 97},{'x' * 100}" for row in range(60_000)]
    bucket.files.pipe("shop/large.csv", "\n".join(["user,item,words", *rows]).encode())
    log = read(f"{bucket.at}/large.csv")
    frame = log.frame.collect()
    assert frame.height == 60_000
    assert frame.row(-1)[:2] == ("u59999", f"i{59_999 % 97}")


def test_a_folder_of_parquet_files_is_read_with_its_partitions_and_nothing_else(
    bucket: Bucket, parquet_of: Bytes
) -> None:
    bucket.files.pipe("shop/logs/day=1/a.parquet", parquet_of(user=[1], item=["x"]))
    bucket.files.pipe("shop/logs/day=2/b.parquet", parquet_of(user=[2], item=["y"]))
    bucket.files.pipe("shop/logs/_tmp/c.parquet", parquet_of(user=[9], item=["z"]))
    log = read(f"{bucket.at}/logs")
    found = log.frame.collect().sort("user")
    assert found["user"].cast(pl.Int64).to_list() == [1, 2]
    assert found["day"].cast(pl.Int64).to_list() == [1, 2]


def test_a_pattern_finds_its_files(bucket: Bucket, parquet_of: Bytes) -> None:
    for month, user in (("may", 1), ("june", 2), ("july", 3)):
        bucket.files.pipe(f"shop/{month}.parquet", parquet_of(user=[user], item=["x"]))
    log = read(f"{bucket.at}/ju*.parquet")
    found = log.frame.collect()
    assert sorted(found["user"].cast(pl.Int64).to_list()) == [2, 3]


def test_another_state_is_told_from_this_one_without_reading_it(bucket: Bucket) -> None:
    bucket.files.pipe("shop/log.csv", b"user,item\na,x\n")
    before = state_of(located(f"{bucket.at}/log.csv"))
    assert state_of(located(f"{bucket.at}/log.csv")) == before
    bucket.files.pipe("shop/log.csv", b"user,item\nb,x\n")
    bucket.files.invalidate_cache()
    assert state_of(located(f"{bucket.at}/log.csv")) != before


@pytest.mark.parametrize("where", ["shop/none.csv", "other/log.csv"])
def test_what_is_not_there_is_refused_by_its_address(bucket: Bucket, where: str) -> None:
    address = bucket.at.replace("shop", where)
    with pytest.raises(DataError, match=address):
        read(address)
