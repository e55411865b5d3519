"""One SELECT, of whatever database, and the checksum of what it gives."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recprune.data.dataset import Roles
from recprune.data.log import Log
from recprune.data.query import log_of, parts_of, quoted, spelled
from recprune.errors import DataError

LOG = pl.DataFrame({"user": ["a", "b", "c"], "item": ["x", None, ""], "tags": [["p", 'q"'], [], None]})
ROLES = Roles("user", "item", multi=("tags",))


@dataclass(frozen=True)
class Told:
    """A database that gives the same rows whatever it is asked, some at a time."""

    frame: pl.DataFrame
    size: int = 1
    there: tuple[str, ...] = ("log",)

    def columns(self, query: str) -> Sequence[str]:
        return self.frame.columns

    def batches(self, query: str, columns: Sequence[str]) -> Generator[pl.DataFrame]:
        yield from self.frame.select(columns).iter_slices(self.size)

    def tables(self) -> Sequence[str]:
        return self.there


def asked(database: Told, query: str | None = None, table: str | None = None, roles: Roles | None = ROLES) -> Log:
    return log_of(database, "db", {"source": "db"}, roles, query=query, table=table, missing=("",), multi="|")


def test_the_checksum_is_that_of_the_rows_as_text_whatever_the_size_of_the_batches() -> None:
    text = 'user,item,tags\na,x,"{""tags"":[""p"",""q\\""""]}"\nb,,"{""tags"":[]}"\nc,"",\n'
    for size in (1, 2, 3):
        (origin,) = asked(Told(LOG, size)).origin
        assert origin == {
            "source": "db",
            "query": 'SELECT "user", "item", "tags" FROM "log"',
            "rows": 3,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        }


def test_rows_stand_aside_by_their_number_over_all_batches() -> None:
    aside = asked(Told(LOG, 2)).rejected.rows.collect()
    assert aside.select("line", "reason").rows() == [(2, "item is empty"), (3, "item is empty")]
    assert aside["text"][0] == '{"user":"b","item":null,"tags":[]}'


def test_without_a_role_no_row_is_read_and_the_columns_are_told() -> None:
    class Silent(Told):
        def batches(self, query: str, columns: Sequence[str]) -> Generator[pl.DataFrame]:
            raise AssertionError("no row is asked for")

    assert asked(Silent(LOG), roles=Roles()).frame.collect_schema().names() == LOG.columns


@pytest.mark.parametrize(
    "query",
    [
        "select 1",
        " (SELECT 1)",
        "-- a word\nSELECT 1",
        "/* a * word */ WITH a AS (SELECT 1) TABLE a",
        "VALUES (1)",
        "FROM log",
        "\n\tSELECT 1 ; ",
    ],
)
def test_what_begins_as_a_select_is_one(query: str) -> None:
    assert asked(Told(LOG), query).origin[0]["query"] == query.strip().rstrip("; ")


@pytest.mark.parametrize(
    "query", ["", ";", "-- SELECT 1", "/* SELECT 1", "SELECTION", "insert into log", "SELECT '\0'"]
)
def test_what_begins_otherwise_is_refused(query: str) -> None:
    with pytest.raises(DataError, match="one SELECT"):
        asked(Told(LOG), query)


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        ("log", ["log"]),
        (" old . log ", ["old", "log"]),
        ('"a.b"."c ""d"""', ["a.b", 'c "d"']),
        ("log of may", ["log of may"]),
        ("日志", ["日志"]),
    ],
)
def test_a_table_has_parts(table: str, parts: list[str]) -> None:
    assert parts_of("db", table) == parts


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1), min_size=1, max_size=3))
def test_a_name_that_is_spelled_is_taken_apart_again(parts: list[str]) -> None:
    assert parts_of("db", spelled(*parts)) == parts
    first, *inside, last = quoted(parts[0])
    assert first == last == '"'
    assert '"' not in "".join(inside).replace('""', "")


def test_the_only_table_is_taken_and_among_several_one_is_named() -> None:
    assert asked(Told(LOG, there=('"a.b"',))).origin[0]["query"] == 'SELECT "user", "item", "tags" FROM "a.b"'
    with pytest.raises(DataError, match="it holds a, b"):
        asked(Told(LOG, there=("a", "b")))
    with pytest.raises(DataError, match="it holds none that can be read"):
        asked(Told(LOG, there=()))


def test_a_password_in_a_query_is_not_kept() -> None:
    query = "SELECT * FROM dblink('host=h password=hunter2', 'SELECT 1')"
    assert "hunter2" not in str(asked(Told(LOG), query).origin)
