"""DuckDB: streamed, typed, and only read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import pytest

from recprune.data.dataset import Roles
from recprune.data.formats.duckdb import read
from recprune.errors import DataError, ExtensionError
from recprune.testing import Sample, check_format

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")

Made = Callable[[Mapping[str, pl.DataFrame]], Path]
LOG = pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "rating": [5.0, 3.5], "time": [10, 11]})


def test_it_keeps_the_contract_of_a_format(in_duckdb: Made, tmp_path: Path) -> None:
    table = LOG.vstack(LOG.with_columns(pl.lit(None, pl.String).alias("user")))
    content = in_duckdb({"log": table}).read_bytes()
    sample = Sample({"log.duckdb": content}, "log.duckdb", rows=2, rejected=2)
    (tmp_path / "fresh").mkdir()
    check_format(sys.modules[read.__module__], tmp_path / "fresh", sample)


def test_every_type_that_can_be_an_id_a_number_or_a_time_is_read(in_duckdb: Made) -> None:
    path = in_duckdb({"log": LOG})
    query = """
        SELECT 7::HUGEINT AS user, 3.10::DECIMAL(5, 2) AS item, 2.5::FLOAT AS rating, DATE '1970-01-02' AS time,
            'b'::ENUM ('a', 'b') AS mood, true AS seen, NULL AS nothing, TIME '12:30:00' AS clock,
            '5b6d3e0c-52a5-4a4c-9f3e-2a4ac1a0b0ff'::UUID AS session, ['p', NULL, 'q'] AS tags, [1, 2] AS sizes,
            'é'::BLOB AS bytes
    """
    many = ("mood", "seen", "nothing", "clock", "session", "bytes")
    log = read(
        path,
        Roles("user", "item", "rating", time="time", categorical=many, multi=("tags", "sizes")),
        query=query.replace("'é'::BLOB", "encode('é')"),
    )
    assert log.frame.collect().row(0, named=True) == {
        "user": "7",
        "item": "3.10",
        "rating": 2.5,
        "time": 86400,
        "mood": "b",
        "seen": "true",
        "nothing": None,
        "clock": "12:30:00",
        "session": "5b6d3e0c-52a5-4a4c-9f3e-2a4ac1a0b0ff",
        "bytes": "é",
        "tags": ["p", "q"],
        "sizes": ["1", "2"],
    }


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("TIMESTAMPTZ '1970-01-02 01:00:00+01'", 86400),
        ("TIMESTAMP '1970-01-02 00:00:00.9'", 86400),
        ("TIMESTAMP_NS '1970-01-02 00:00:00'", 86400),
        ("TIMESTAMP_S '1970-01-02 00:00:00'", 86400),
        ("'1970-01-02'", 86400),
        ("86400.7", 86400),
        ("86400::UBIGINT", 86400),
    ],
)
def test_a_time_is_seconds_whatever_its_type(value: str, seconds: int, in_duckdb: Made) -> None:
    log = read(in_duckdb({"log": LOG}), query=f"SELECT 'a' AS user, 'x' AS item, {value} AS time")
    assert log.frame.collect()["time"].to_list() == [seconds]


@pytest.mark.parametrize("value", ["TIMESTAMP 'infinity'", "DATE '-infinity'", "TIMESTAMPTZ 'infinity'", "NULL"])
def test_a_time_without_end_is_none(value: str, in_duckdb: Made) -> None:
    query = f"SELECT 'a' AS user, 'x' AS item, {value} AS time UNION ALL SELECT 'b', 'y', DATE '1970-01-02'"
    log = read(in_duckdb({"log": LOG}), query=query)
    assert log.rejected.counts == {"time is no number or date": 1}
    assert log.frame.collect().rows() == [("b", "y", 86400)]


@pytest.mark.parametrize("value", ["INTERVAL 1 DAY", "{'a': 1}", "MAP {'a': 1}"])
def test_a_type_of_which_no_id_can_be_made_is_refused_where_it_has_a_role(value: str, in_duckdb: Made) -> None:
    path, query = in_duckdb({"log": LOG}), f"SELECT 'a' AS user, 'x' AS item, {value} AS thing"
    assert len(read(path, query=query)) == 1
    with pytest.raises(DataError, match=r"the column 'thing' is of the type .*CAST"):
        read(path, Roles("user", "item", categorical=("thing",)), query=query)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM log",
        "SELECT * FROM log; DROP TABLE log",
        "SELECT 1; SELECT 2",
        "COPY log TO 'copy.csv'",
        "COPY (SELECT * FROM log) TO 'copy.csv'",
        "WITH x AS (SELECT 1) INSERT INTO log SELECT 'c', 'z', 1, 1",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "PRAGMA database_list",
        "SET memory_limit = '1TB'",
        "CREATE SECRET (TYPE s3)",
        "",
        "SELEC",
    ],
)
def test_a_query_that_does_more_than_read_is_refused(
    query: str, in_duckdb: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = in_duckdb({"log": LOG})
    monkeypatch.chdir(path.parent)
    before = path.read_bytes()
    with pytest.raises(DataError, match="one SELECT"):
        read(path, query=query)
    assert path.read_bytes() == before
    assert os.listdir() == [path.name]


def test_variables_of_the_program_are_no_tables(in_duckdb: Made) -> None:
    table = LOG.to_arrow()
    with pytest.raises(DataError, match="table"):
        read(in_duckdb({"log": LOG}), query="SELECT * FROM table")
    assert table.num_rows == 2


def test_a_name_is_a_name_whatever_stands_in_it(in_duckdb: Made) -> None:
    name = 'log"; DROP TABLE log; --'
    path = in_duckdb({name: LOG, "log": LOG.head(1)})
    assert len(read(path, table='"' + name.replace('"', '""') + '"')) == 2
    with pytest.raises(DataError, match='it holds log, "log""; DROP TABLE log; --"'):
        read(path)


def test_a_schema_stands_before_the_table(in_duckdb: Made) -> None:
    path = in_duckdb({"log": LOG})
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA old; CREATE TABLE old.log AS SELECT * FROM log LIMIT 1")
    assert len(read(path, table="old.log")) == 1
    with pytest.raises(DataError, match=r"it holds log, old\.log"):
        read(path)


def test_a_file_that_another_program_writes_is_refused(in_duckdb: Made) -> None:
    path = in_duckdb({"log": LOG})
    held = (
        f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('held', flush=True); sys.stdin.read(); c.close()"
    )
    with subprocess.Popen([sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(DataError, match=r"log\.duckdb: .*lock"):
            read(path)
        other.communicate()
    assert len(read(path)) == 2


def test_without_the_package_the_error_names_the_extra(in_duckdb: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    path = in_duckdb({"log": LOG})
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ExtensionError, match=r"pip install 'recprune\[duckdb\]'"):
        read(path)
