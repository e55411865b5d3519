"""SQLite: read as it is held, and only read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import pytest

from recprune.data.dataset import Roles
from recprune.data.formats.sqlite import read
from recprune.errors import DataError

Made = Callable[[Mapping[str, pl.DataFrame]], Path]
ROLES = Roles(user="user", item="item", rating="rating", time="time")
LOG = pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "rating": [5.0, 3.5], "time": [10, 11]})


def with_rows(path: Path, columns: str, *rows: tuple[object, ...]) -> Path:
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE log ({columns})")
    connection.executemany(f"INSERT INTO log VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.commit()
    connection.close()
    return path


def test_the_only_table_is_read_with_the_roles_that_its_columns_suggest(in_sqlite: Made) -> None:
    log = read(in_sqlite({"log": LOG}))
    assert log.roles == ROLES
    assert log.frame.collect().rows() == [("a", "x", 5.0, 10), ("b", "y", 3.5, 11)]


def test_among_several_tables_one_is_named(in_sqlite: Made) -> None:
    path = in_sqlite({"log": LOG, "users": LOG.select("user")})
    with pytest.raises(DataError, match=r"--table.*it holds log, users"):
        read(path)
    assert len(read(path, table="log")) == 2
    with pytest.raises(DataError, match="not both"):
        read(path, table="log", query="SELECT * FROM log")


def test_a_query_is_read_in_its_own_order(in_sqlite: Made) -> None:
    log = read(in_sqlite({"log": LOG}), query="SELECT item, user, rating FROM log ORDER BY time DESC;")
    assert log.frame.collect()["user"].to_list() == ["b", "a"]


def test_numbers_and_text_may_stand_in_one_column(tmp_path: Path) -> None:
    rows = [(7, "x", "4"), ("7a", "x", 3), (2**60, b"y", 2.5), (7, 1.0, " 1 ")]
    log = read(with_rows(tmp_path / "log.db", "user, item, rating", *rows))
    assert log.frame.collect().rows() == [
        ("7", "x", 4.0),
        ("7a", "x", 3.0),
        ("1152921504606846976", "y", 2.5),
        ("7", "1.0", 1.0),
    ]


def test_rows_that_cannot_be_used_stand_aside_with_their_number_and_reason(tmp_path: Path) -> None:
    rows = [("a", "x", 5), (None, "x", 4), ("b", "", 4), ("c", "y", None), ("d", b"\xff", 1), ("e", "z", "much")]
    log = read(with_rows(tmp_path / "log.db", "user, item, rating", *rows))
    assert log.frame.collect()["user"].to_list() == ["a"]
    aside = log.rejected.rows.collect()
    assert aside.select("line", "reason").rows() == [
        (2, "user is empty"),
        (3, "item is empty"),
        (4, "rating is no number"),
        (5, "not UTF-8"),
        (6, "rating is no number"),
    ]
    assert aside["text"].to_list()[3] == '{"user":"d","item":"\\\\xff","rating":"1"}'
    assert sum(log.rejected.counts.values()) == 5


def test_text_that_is_no_utf8_stands_aside_and_does_not_end_the_reading(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute(
        "CREATE TABLE log AS SELECT 'a' AS user, CAST(x'ff61' AS TEXT) AS item UNION ALL SELECT 'b', 'x'"
    )
    connection.commit()
    connection.close()
    log = read(tmp_path / "log.db")
    assert log.frame.collect().rows() == [("b", "x")]
    assert log.rejected.counts == {"not UTF-8": 1}


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM log",
        "DELETE FROM log RETURNING user, item",
        "SELECT * FROM log; DROP TABLE log",
        "SELECT * FROM log; SELECT * FROM log",
        "WITH x AS (SELECT 1) INSERT INTO log SELECT 'c', 'z', 1, 1 RETURNING user, item",
        "/* SELECT */ ATTACH 'other.db' AS other",
        "PRAGMA writable_schema=1",
        "UPDATE sqlite_master SET sql = ''",
        "WITH x AS (SELECT 1) UPDATE sqlite_master SET sql = ''",
        "SELECT * FROM pragma_table_info('log')",
        "SELECT load_extension('/tmp/evil.so') AS user",
        "VACUUM INTO 'copy.db'",
        "EXPLAIN SELECT * FROM log",
        "",
        "  -- nothing",
        "SELECT 'a\0b' AS user",
    ],
)
def test_a_query_that_does_more_than_read_is_refused(query: str, in_sqlite: Made) -> None:
    path = in_sqlite({"log": LOG})
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"one SELECT|may not be modified|readonly"):
        read(path, query=query)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "name", ['log"; DROP TABLE log; --', "log of may", "select", "a.b", 'say ""', "日志", "*", "x' OR '1'='1"]
)
def test_a_name_is_a_name_whatever_stands_in_it(name: str, in_sqlite: Made) -> None:
    path = in_sqlite({name: LOG.rename({"rating": 'stars"; --'})})
    roles = Roles(user="user", item="item", rating='stars"; --')
    log = read(path, roles, table='"' + name.replace('"', '""') + '"')
    assert log.frame.collect()['stars"; --'].to_list() == [5.0, 3.5]


@pytest.mark.parametrize("name", ["", ".", "log.", ".log", '"log', 'lo"g', "log\0"])
def test_a_name_that_is_none_is_refused(name: str, in_sqlite: Made) -> None:
    with pytest.raises(DataError, match=r"no name of a table|no such table"):
        read(in_sqlite({"log": LOG}), table=name)


def test_a_table_or_a_column_that_is_not_there_is_named(in_sqlite: Made) -> None:
    path = in_sqlite({"log": LOG})
    with pytest.raises(DataError, match=r"log\.db: no such table: .*nope"):
        read(path, table="nope")
    with pytest.raises(DataError, match=r"no column 'stars'; there are: user, item, rating, time"):
        read(path, Roles(user="user", item="item", rating="stars"))
    with pytest.raises(DataError, match="two columns are called 'user'"):
        read(path, query="SELECT user, item AS user FROM log")
    with pytest.raises(DataError, match="it is empty"):
        read(path, query="SELECT * FROM log WHERE 0")


def test_functions_that_give_a_table_are_read(in_sqlite: Made) -> None:
    log = read(in_sqlite({"log": LOG}), query="SELECT user, value AS item FROM log, json_each('[7, 8]') ORDER BY 1, 2")
    assert log.frame.collect().rows() == [("a", "7"), ("a", "8"), ("b", "7"), ("b", "8")]


def test_a_file_that_another_program_has_open_is_read_as_it_was_last_committed(tmp_path: Path) -> None:
    path = with_rows(tmp_path / "log.db", "user, item", ("a", "x"))
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("INSERT INTO log VALUES ('b', 'x')")
    assert len(read(path)) == 1
    writer.commit()
    assert len(read(path)) == 2
    writer.close()
    assert len(read(path)) == 2


def test_what_was_read_is_known_by_its_query_its_rows_and_their_checksum(in_sqlite: Made) -> None:
    path = in_sqlite({"log": LOG})
    (origin,) = read(path).origin
    assert origin["query"] == 'SELECT "user", "item", "rating", "time" FROM "log"'
    assert (origin["rows"], origin["format"], origin["source"]) == (2, "sqlite", str(path))
    (same,) = read(path, query="SELECT * FROM log").origin
    (other,) = read(path, query="SELECT * FROM log ORDER BY user DESC").origin
    assert same["sha256"] == origin["sha256"] != other["sha256"]


def test_null_and_an_empty_text_have_two_checksums(tmp_path: Path) -> None:
    one = read(
        with_rows(tmp_path / "one.db", "user, item, city", ("a", "x", None)),
        Roles("user", "item", categorical=("city",)),
    )
    two = read(
        with_rows(tmp_path / "two.db", "user, item, city", ("a", "x", "")), Roles("user", "item", categorical=("city",))
    )
    assert one.frame.collect().equals(two.frame.collect())
    assert one.origin[0]["sha256"] != two.origin[0]["sha256"]


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0 and then nothing", b"user,item\na,x\n"])
def test_a_file_that_is_no_database_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "log.db").write_bytes(content)
    with pytest.raises(DataError, match=r"log\.db"):
        read(tmp_path / "log.db")


def test_a_large_table_is_read_a_batch_at_a_time_as_one(tmp_path: Path) -> None:
    rows = [(i % 97, f"i{i % 89}", i) for i in range(40_000)]
    log = read(with_rows(tmp_path / "log.db", "user, item, time", *rows))
    frame = log.frame.collect()
    assert frame.rows() == [(str(user), item, time) for user, item, time in rows]
    assert log.origin[0]["rows"] == 40_000
