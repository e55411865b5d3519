"""SQLite: a query, or a table, of a database file."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from recprune.data.address import redacted
from recprune.data.dataset import Roles
from recprune.data.log import Log
from recprune.data.query import log_of, spelled
from recprune.errors import DataError

__all__ = ["read"]

ROWS = 1 << 14
"""Rows that are fetched at a time."""
READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
TABLES = (
    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!' "
    "ORDER BY name"
)


def read(
    path: str | Path,
    roles: Roles | None = None,
    *,
    query: str | None = None,
    table: str | None = None,
    missing: Sequence[str] = ("",),
    multi: str = "|",
) -> Log:
    """A log from a SQLite database, read once, some thousand rows at a time; nothing is written to it.

    query: one SELECT; table: all rows of a table or a view; neither: of the only one that there is. Say ORDER BY where
    the order of the rows counts. Values are read as SQLite holds them, whatever the columns were declared as; NULL is
    an empty cell. roles, missing, multi: as of delimited text; rows that cannot be used stand aside in the same way,
    `line` being the number of the row. Python's own sqlite3 reads it: ADBC's driver fails where one column holds
    numbers and text. Raises DataError where the file is no database, the query fails or does more than read, a column
    is missing, or no row can be used.
    """
    where = str(path)
    with closing(opened(Path(path))) as connection:
        said = {"source": where, "format": "sqlite"}
        database = File(where, connection)
        return log_of(database, where, said, roles, query=query, table=table, missing=missing, multi=multi)


def opened(path: Path) -> sqlite3.Connection:
    """A connection in one transaction, which may read and nothing else."""
    if not path.is_file():
        raise DataError(f"{path}: no such database file", path=str(path))
    with told(str(path)):
        uri = f"{path.resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            connection.text_factory = bytes
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("BEGIN")
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise DataError(f"{path}: an empty database, without a table", path=str(path))
            connection.set_authorizer(only_reads)
        except BaseException:
            connection.close()
            raise
    return connection


def only_reads(action: int, first: object, second: object, *_: object) -> int:
    """What SQLite asks for each step of a statement.

    A function that gives a table, such as json_each, says its columns as a change of sqlite_master that is never made.
    """
    declares = action == sqlite3.SQLITE_UPDATE and first == "sqlite_master"
    allowed = declares or (action in READS and second != "load_extension")
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


@contextmanager
def told(where: str) -> Iterator[None]:
    """What SQLite raises as a DataError."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        words = str(error)
        if "one statement" in words or "not authorized" in words or "prohibited" in words:
            words = f"a query is one SELECT, which only reads ({words})"
        raise DataError(f"{where}: {redacted(words)}", path=where) from error


@dataclass(frozen=True, slots=True)
class File:
    """An open database file."""

    where: str
    connection: sqlite3.Connection

    def columns(self, query: str) -> list[str]:
        """Names of the columns that a SELECT gives."""
        with told(self.where), closing(self.connection.execute(query)) as cursor:
            return [name for name, *_ in cursor.description or ()]

    def batches(self, query: str, columns: Sequence[str]) -> Generator[pl.DataFrame]:
        """Those columns, some thousand rows at a time."""
        with told(self.where), closing(self.connection.execute(query)) as cursor:
            places = {name: place for place, (name, *_) in enumerate(cursor.description)}
            while rows := cursor.fetchmany(ROWS):
                values = list(zip(*rows, strict=True))
                yield pl.DataFrame([series(name, values[places[name]]) for name in columns])

    def tables(self) -> list[str]:
        """Names of its tables and views."""
        with told(self.where):
            return [spelled(name.decode(errors="replace")) for (name,) in self.connection.execute(TABLES)]


def series(name: str, values: Sequence[Any]) -> pl.Series:
    """Values of one column: whole numbers, numbers, or bytes of text; where they are mixed, all as text."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int}:
        return pl.Series(name, values, pl.Int64)
    if kinds == {float}:
        return pl.Series(name, values, pl.Float64)
    if kinds == {bytes}:
        return pl.Series(name, values, pl.Binary)
    return pl.Series(name, [written(value) for value in values], pl.Binary)


def written(value: Any) -> bytes | None:
    """One value as text."""
    if value is None or isinstance(value, bytes):
        return value
    return str(pl.Series([value]).cast(pl.String)[0]).encode()
