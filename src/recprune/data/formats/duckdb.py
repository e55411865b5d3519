"""DuckDB: a query, or a table, of a database file."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from recprune.data.address import redacted
from recprune.data.batch import frame_of_arrow
from recprune.data.dataset import Roles
from recprune.data.log import Log
from recprune.data.needed import needed
from recprune.data.query import log_of, spelled
from recprune.errors import DataError

__all__ = ["read"]

ROWS = 1 << 14
"""Rows that come at a time."""
MEMORY = "1GB"
"""What a query that sorts or groups may take; more goes to a temporary folder (`TMPDIR` says where)."""
SAFE = {
    "memory_limit": MEMORY,
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
}
TABLES = (
    "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN "
    "('information_schema', 'pg_catalog') ORDER BY table_schema, table_name"
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
    """A log from a DuckDB database, read once, some thousand rows at a time; nothing is written to it.

    query: one SELECT, also over what else DuckDB reads; table: all rows of a table or a view; neither: of the only one
    that there is. Say ORDER BY where the order of the rows counts. NULL is an empty cell, a list a multi-valued field.
    roles, missing, multi: as of delimited text; rows that cannot be used stand aside in the same way, `line` being the
    number of the row. It needs `pip install 'recprune[duckdb]'`. Raises ExtensionError without it, and DataError where
    the file is no database or another program writes to it, the query fails or does more than read, a column is missing
    or of a type of which no id and no number can be made, or no row can be used.
    """
    where = str(path)
    if not Path(path).is_file():
        raise DataError(f"{where}: no such database file", path=where)
    needed("pyarrow", "duckdb")
    duckdb = needed("duckdb", "duckdb")
    with tempfile.TemporaryDirectory(prefix="recprune-") as spill, opened(where, duckdb, spill) as connection:
        said, database = {"source": where, "format": "duckdb"}, File(where, connection, duckdb)
        return log_of(database, where, said, roles, query=query, table=table, missing=missing, multi=multi)


@contextmanager
def opened(where: str, duckdb: Any, spill: str) -> Iterator[Any]:
    """A connection in one transaction that only reads. spill: where what does not fit into memory goes."""
    with (
        told(where, duckdb),
        closing(duckdb.connect(where, read_only=True, config={**SAFE, "temp_directory": spill})) as connection,
    ):
        connection.execute("SET enable_progress_bar = false")
        connection.execute("BEGIN TRANSACTION READ ONLY")
        yield connection


@contextmanager
def told(where: str, duckdb: Any) -> Iterator[None]:
    """What DuckDB raises as a DataError."""
    try:
        yield
    except duckdb.Error as error:
        words = str(error).split("\n\n")[0].replace("\n", " ")
        raise DataError(f"{where}: {redacted(words)}", path=where) from error


@dataclass(frozen=True, slots=True)
class File:
    """An open database file."""

    where: str
    connection: Any
    duckdb: Any

    def columns(self, query: str) -> list[str]:
        """Names of the columns that a SELECT gives. Raises DataError where it is none, or more than one."""
        statements = self.connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != self.duckdb.StatementType.SELECT:
            raise DataError(f"{self.where}: a query is one SELECT, which only reads", path=self.where)
        return list(self.connection.sql(query).columns)

    def batches(self, query: str, columns: Sequence[str]) -> Generator[pl.DataFrame]:
        """Those columns, some thousand rows at a time."""
        with told(self.where, self.duckdb):
            for batch in self.connection.sql(query).to_arrow_reader(ROWS):
                yield frame_of_arrow(batch, list(columns), self.where)

    def tables(self) -> list[str]:
        """Names of its tables and views, those of the usual schema without it."""
        rows = self.connection.execute(TABLES).fetchall()
        return [spelled(table) if schema == "main" else spelled(schema, table) for schema, table in rows]
