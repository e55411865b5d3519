"""A URL says where a log lives and holds no secret; where one stands in it, nothing of it is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from recprune.data.address import Address, located, redacted
from recprune.errors import DataError


def test_a_path_is_a_path_and_a_url_an_address() -> None:
    assert located("logs/ratings.csv") == Path("logs/ratings.csv")
    assert located(Path("C:/logs")) == Path("C:/logs")
    assert located("S3://bucket/logs/*.parquet") == Address("s3", "s3://bucket/logs/*.parquet")


@pytest.mark.parametrize("text", ["postgres://ann@host:5432/shop", "postgresql+psycopg://ann@host:5432/shop"])
def test_a_server_has_one_scheme_whatever_it_is_called(text: str) -> None:
    there = located(text)
    assert isinstance(there, Address)
    assert there.format == "postgresql"
    assert there.text == "postgresql://ann@host:5432/shop"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///log.db", "log.db"),
        ("sqlite:////data/log.db", "/data/log.db"),
        ("sqlite+pysqlite:///log%20of%20may.db", "log of may.db"),
        ("duckdb:///logs/log.duckdb", "logs/log.duckdb"),
        ("file:///data/log.csv", "/data/log.csv"),
        ("file://localhost/data/log%3F.csv", "/data/log?.csv"),
    ],
)
def test_a_file_has_a_path_behind_three_slashes(text: str, path: str) -> None:
    assert located(text) == Path(path)


def test_a_path_is_beside_the_file_that_names_it() -> None:
    assert located("sqlite:///log.db", Path("/data")) == Path("/data/log.db")
    assert located("log.csv", Path("/data")) == Path("/data/log.csv")
    assert located("file:///else/log.csv", Path("/data")) == Path("/else/log.csv")


@pytest.mark.parametrize("text", ["sqlite://log.db", "sqlite://", "duckdb://host/log.duckdb", "file://host/log.csv"])
def test_a_file_on_another_host_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="///PATH"):
        located(text)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:hunter2@host/shop",
        "postgres://ann:hun/ter2@host/shop",
        "postgresql://ann:hun#ter2@host/shop",
        "postgresql://ann:hun?ter2@host/shop",
        "postgresql://ann%3Ahunter2@host/shop",
        "postgresql://:hunter2@host/shop",
        "postgresql://host/shop?password=hunter2",
        "postgresql://host/shop?user=ann&PassWord=hunter2",
        "postgresql://host/shop?sslpassword=hunter2",
        "postgresql+psycopg://ann:hunter2@host/shop",
        "mysql://ann:hunter2@host/shop",
        "sqlite://ann:hunter2@host/log.db",
        "s3://key:hunter2@bucket/log.csv",
        "s3://bucket/log.csv?secret=hunter2",
        "https://bucket.example/log.csv?X-Amz-Signature=hunter2",
        "https://ann:hunter2@host/log.csv",
        "sftp://ann:hunter2@host/log.csv",
        "s3:///key:hunter2@bucket/log.csv",
        "abfs://logs@store.dfs.core.windows.net/log.csv?sig=hunter2",
        "s3://bucket/log.csv?api_key=hunter2",
        "zip://log.csv::https://ann:hunter2@host/log.zip",
        "simplecache://x::s3://key:hunter2@bucket/log.csv",
        "s3://bucket/log.zip::ftp://ann:hunter2@host/log.zip",
    ],
)
def test_a_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(DataError, match="leave it out") as caught:
        located(text)
    assert "ter2" not in f"{caught.value} {caught.value.parts}"


def test_what_is_no_secret_is_taken() -> None:
    for text in (
        "postgresql://ann@host/shop?passfile=/home/ann/.pgpass&sslmode=require",
        "postgresql://[::1]:5433/shop?options=-csearch_path%3Dlogs",
        "s3://bucket/day=2024-01-01/a:b@c.parquet",
        "s3://bucket/part-?.parquet",
    ):
        assert located(text) == Address(text.partition(":")[0], text)


def test_a_url_that_came_as_a_path_is_refused_and_not_repeated() -> None:
    with pytest.raises(DataError, match="as text, not as a Path") as caught:
        located(Path("postgresql://ann:hunter2@host/shop"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["postgresql://[::1/shop", "https://[half/log.csv"])
def test_a_url_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        located(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("host=h password=hunter2 user=ann", "host=h password=*** user=ann"),
        ("dblink('host=h password=''hunter2''')", "dblink('host=h password=***')"),
        ("could not reach postgres://ann:hunter2@h/shop", "could not reach postgres://ann:***@h/shop"),
        ("?X-Amz-Signature=hunter2&b=1", "?X-Amz-Signature=***&b=1"),
        ('{"secret": "hunter2", "b": 1}', '{"secret": ***, "b": 1}'),
        ("CREATE SECRET (SECRET 'x')", "CREATE SECRET (SECRET 'x')"),
        ("SELECT user FROM log WHERE rating = 4", "SELECT user FROM log WHERE rating = 4"),
        ("SELECT user FROM log WHERE kansas = 4", "SELECT user FROM log WHERE kansas = 4"),
    ],
)
def test_what_looks_like_a_password_is_told_as_stars(text: str, told: str) -> None:
    assert redacted(text) == told
