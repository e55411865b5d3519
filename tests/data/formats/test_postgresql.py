"""PostgreSQL, a real one: streamed, typed, only read, and killed in the middle."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recprune.data.dataset import Roles
from recprune.data.formats import postgresql
from recprune.data.formats.postgresql import read
from recprune.errors import DataError, ExtensionError
from recprune.testing import check_format

LOG = pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "rating": [5.0, 3.5], "time": [10, 11]})
PASSWORD = "hunter2-und-mehr"
"""That of the server's port."""


@pytest.fixture
def shop(server: Any) -> Any:
    """The server with the table log, and nothing else."""
    server.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "DROP SCHEMA IF EXISTS old CASCADE")
    server.ingest("log", LOG)
    return server


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE", "PGSERVICEFILE", "PGOPTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))


def test_it_keeps_the_contract_of_a_format(tmp_path: Path) -> None:
    check_format(sys.modules[read.__module__], tmp_path)


def test_the_only_table_is_read_with_the_roles_that_its_columns_suggest(shop: Any) -> None:
    log = read(shop.url)
    assert log.roles == Roles(user="user", item="item", rating="rating", time="time")
    assert sorted(log.frame.collect().rows()) == [("a", "x", 5.0, 10), ("b", "y", 3.5, 11)]
    (origin,) = log.origin
    assert origin["query"] == 'SELECT "user", "item", "rating", "time" FROM "log"'
    assert (origin["source"], origin["rows"]) == (shop.url, 2)


def test_a_query_is_read_in_its_own_order_whatever_stands_at_its_end(shop: Any) -> None:
    for end in ("", ";", " ; ", " -- by time", "\n/* by time */"):
        log = read(shop.url, query=f'SELECT item, "user", rating FROM log ORDER BY time DESC{end}')
        assert log.frame.collect()["user"].to_list() == ["b", "a"]


def test_every_type_that_can_be_an_id_a_number_or_a_time_is_read(shop: Any) -> None:
    shop.run("DROP TYPE IF EXISTS mood", "CREATE TYPE mood AS ENUM ('sad', 'glad')")
    query = """
        SELECT 7::int2 AS user, 3.10::numeric AS item, 2.5::float4 AS rating, '1970-01-02 01:00+01'::timestamptz time,
            'glad'::mood AS mood, true AS seen, NULL AS nothing, '12:30'::time AS clock, 'ab'::char(3) AS padded,
            '5b6d3e0c-52a5-4a4c-9f3e-2a4ac1a0b0ff'::uuid AS session, '{"a": 1}'::jsonb AS json,
            ARRAY['p', NULL, 'é'] AS tags, ARRAY[1, 2] AS sizes, 'é'::bytea AS bytes, 'NaN'::numeric AS none
    """
    many = ("mood", "seen", "nothing", "clock", "padded", "session", "json", "bytes")
    roles = Roles("user", "item", "rating", time="time", categorical=many, numeric=("none",), multi=("tags", "sizes"))
    assert read(shop.url, roles, query=query.replace("'é'::bytea", "convert_to('é', 'UTF8')")).frame.collect().row(
        0, named=True
    ) == {
        "user": "7",
        "item": "3.10",
        "rating": 2.5,
        "time": 86400,
        "mood": "glad",
        "seen": "true",
        "nothing": None,
        "clock": "12:30:00",
        "padded": "ab ",
        "session": "5b6d3e0c-52a5-4a4c-9f3e-2a4ac1a0b0ff",
        "json": '{"a": 1}',
        "bytes": "é",
        "tags": ["p", "é"],
        "sizes": ["1", "2"],
        "none": None,
    }


def test_rows_that_cannot_be_used_stand_aside_with_their_number_and_reason(shop: Any) -> None:
    query = """
        SELECT * FROM (VALUES ('a', 'x', 1.5, '1970-01-02'::timestamp), (NULL, 'x', 1, now()), ('b', '', 1, now()),
            ('c', 'y', NULL, now()), ('d', 'y', 'NaN', now()), ('e', 'y', 1, 'infinity'), ('f', 'y', 1, NULL))
        AS log ("user", item, rating, time)
    """
    log = read(shop.url, query=query)
    assert log.frame.collect().rows() == [("a", "x", 1.5, 86400)]
    assert log.rejected.rows.collect().select("line", "reason").rows() == [
        (2, "user is empty"),
        (3, "item is empty"),
        (4, "rating is no number"),
        (5, "rating is not finite"),
        (6, "time is no number or date"),
        (7, "time is no number or date"),
    ]


@pytest.mark.parametrize("value", ["interval '1 day'", "'1.1.1.1'::inet"])
def test_a_type_of_which_no_id_can_be_made_is_refused_where_it_has_a_role(value: str, shop: Any) -> None:
    query = f"SELECT 'a' AS user, 'x' AS item, {value} AS thing"
    assert len(read(shop.url, query=query)) == 1
    with pytest.raises(DataError, match=r"the column 'thing' is of the type .*CAST"):
        read(shop.url, Roles("user", "item", categorical=("thing",)), query=query)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_text_is_utf8_whatever_the_database_holds(encoding: str, shop: Any) -> None:
    shop.run("DROP DATABASE IF EXISTS other", f"CREATE DATABASE other ENCODING '{encoding}' TEMPLATE template0")
    there = shop.url.replace("/postgres?", "/other?")
    made = "convert_from('\\xe9'::bytea, 'LATIN1')" if encoding == "LATIN1" else "E'\\xe9'"
    query = f"SELECT 'a' AS user, {made} AS item UNION ALL SELECT 'b', 'x' ORDER BY 1"
    log = read(there, query=query)
    items, aside = (["é", "x"], {}) if encoding == "LATIN1" else (["x"], {"not UTF-8": 1})
    assert log.frame.collect()["item"].to_list() == items
    assert log.rejected.counts == aside


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM log",
        "WITH x AS (DELETE FROM log RETURNING *) SELECT * FROM x",
        "SELECT * FROM log; DROP TABLE log",
        "SELECT 1 AS user, 2 AS item) TO STDOUT; DROP TABLE log; --",
        "SELECT 1 AS user, 2 AS item); DROP TABLE log; SELECT (1",
        'SELECT "user", item INTO copy FROM log',
        "SELECT nextval('numbers') AS user, 2 AS item",
        'SELECT "user", item FROM log FOR UPDATE',
        "SELECT set_config('transaction_read_only', 'off', false) AS user, 1 AS item",
        "SELECT set_config('transaction_read_only', 'off', true) AS user, 1 AS item",
        "COPY log TO PROGRAM 'cat > /tmp/evil'",
        "DO $$ BEGIN DELETE FROM log; END $$",
        "EXPLAIN ANALYZE DELETE FROM log",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "COMMIT",
        "",
    ],
)
def test_a_query_that_does_more_than_read_is_refused(query: str, shop: Any) -> None:
    shop.run("DROP SEQUENCE IF EXISTS numbers", "CREATE SEQUENCE numbers")
    with pytest.raises(DataError, match=r"^postgresql://\S+: [^\n]*$"):
        read(shop.url, query=query)
    assert len(read(shop.url)) == 2


@pytest.mark.parametrize("name", ['log"; DROP TABLE log; --', "log of may", "select", "a.b", "日志", "x' OR '1'='1"])
def test_a_name_is_a_name_whatever_stands_in_it(name: str, shop: Any) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    shop.run(f'CREATE TABLE {quoted} AS SELECT "user", item, rating AS "stars""; --" FROM log')
    log = read(shop.url, Roles("user", "item", 'stars"; --'), table=quoted)
    assert sorted(log.frame.collect()['stars"; --'].to_list()) == [3.5, 5.0]
    assert len(read(shop.url, table="public.log")) == 2


def test_among_several_tables_one_is_named(shop: Any) -> None:
    shop.run(
        "CREATE SCHEMA old", "CREATE TABLE old.log AS SELECT * FROM log LIMIT 1", 'CREATE VIEW "L" AS SELECT 1 AS a'
    )
    with pytest.raises(DataError, match=r"--table.*it holds old\.log, L, log"):
        read(shop.url)
    assert len(read(shop.url, table="old.log")) == 1


def test_a_table_or_a_column_that_is_not_there_is_named(shop: Any) -> None:
    with pytest.raises(DataError, match='relation "nope" does not exist'):
        read(shop.url, table="nope")
    with pytest.raises(DataError, match="no column 'stars'; there are: user, item, rating, time"):
        read(shop.url, Roles("user", "item", "stars"))
    with pytest.raises(DataError, match="two columns are called 'item'"):
        read(shop.url, query="SELECT item, item FROM log")
    with pytest.raises(DataError, match="it is empty"):
        read(shop.url, query='SELECT "user", item FROM log WHERE false')


def test_the_password_comes_from_the_environment_or_the_password_file(
    shop: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"no password supplied\. The password is taken from PGPASSWORD"):
        read(shop.guarded)
    monkeypatch.setenv("PGPASSWORD", "not this one")
    with pytest.raises(DataError, match=r"password authentication failed .*PGPASSWORD") as caught:
        read(shop.guarded)
    assert "not this one" not in str(caught.value)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert len(read(shop.guarded)) == 2
    monkeypatch.delenv("PGPASSWORD")
    (tmp_path / "pgpass").write_text(f"127.0.0.1:{shop.port}:*:ann:{PASSWORD}\n")
    (tmp_path / "pgpass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    assert len(read(shop.guarded)) == 2


def test_a_service_says_all_that_the_url_leaves_out(shop: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = f"[shop]\nhost=127.0.0.1\nport={shop.port}\nuser=ann\ndbname=postgres\npassword={PASSWORD}\n"
    (tmp_path / "services").write_text(said)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGSERVICE", "shop")
    log = read("postgresql://")
    assert len(log) == 2
    assert PASSWORD not in str((log.origin, log.source))


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    pytest.importorskip("adbc_driver_postgresql")
    with pytest.raises(DataError, match=r"^postgresql://ann@/shop\?host=\S+: [^\n]*No such file"):
        read(f"postgresql://ann@/shop?host={tmp_path}")


def test_what_is_always_asked_for_is_not_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    more = postgresql.with_options("postgresql://host/shop?connect_timeout=3")
    assert more.count("connect_timeout") == 1
    assert "client_encoding=UTF8" in more
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
    assert "connect_timeout" not in postgresql.with_options("postgresql://")


def test_a_server_that_is_killed_in_the_middle_is_one_error_and_read_again_later(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "SELECT g % 997 AS user, 'item-' || g % 991 AS item FROM generate_series(1, 400000) AS g"
    seen, frame_of_arrow = [], postgresql.frame_of_arrow

    def killing(*given: Any) -> pl.DataFrame:
        seen.append(len(given[0]))
        if len(seen) == 1:
            server.kill()
        return frame_of_arrow(*given)

    monkeypatch.setattr(postgresql, "BATCH", "65536")
    monkeypatch.setattr(postgresql, "frame_of_arrow", killing)
    try:
        with pytest.raises(DataError, match=r"^postgresql://\S+: [^\n]+$") as caught:
            read(server.url, query=query)
    finally:
        server.start()
    assert 0 < sum(seen) < 400_000
    assert "server closed the connection" in str(caught.value)
    assert len(read(server.url, query=query)) == 400_000


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql.dbapi", None)
    with pytest.raises(ExtensionError, match=r"pip install 'recprune\[postgresql\]'"):
        read("postgresql://host/shop")
