"""PostgreSQL: a query, or a table, of a server."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl

from recprune.data.address import Address, located, redacted
from recprune.data.batch import frame_of_arrow
from recprune.data.dataset import Roles
from recprune.data.log import Log
from recprune.data.needed import needed
from recprune.data.query import log_of, spelled
from recprune.errors import DataError

__all__ = ["read"]

BATCH = str(4 << 20)
"""Bytes of a batch."""
WAIT = {"connect_timeout": "15"}
"""Seconds that a server has to answer, where nothing else is said (PGCONNECT_TIMEOUT)."""
ALWAYS = {"client_encoding": "UTF8", "fallback_application_name": "recprune"}
ONLY_READS = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
TABLES = (
    "SELECT table_schema::text, table_name::text FROM information_schema.tables WHERE table_schema NOT IN "
    "('information_schema', 'pg_catalog') ORDER BY 1, 2"
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
    """A log from a PostgreSQL server, streamed by COPY in a transaction that only reads.

    path: `postgresql://USER@HOST:PORT/DATABASE`, or as much of it as PGHOST, PGUSER, PGDATABASE, ... leave to say. The
    password comes from the environment (PGPASSWORD, PGPASSFILE, PGSERVICE) or ~/.pgpass; one that stands in the URL is
    refused. query: one SELECT; table: all rows of a table or a view; neither: of the only one that can be read. Say
    ORDER BY where the order of the rows counts. NULL is an empty cell, numeric is read as it is written, arrays are
    multi-valued fields. roles, missing, multi: as of delimited text; rows that cannot be used stand aside in the same
    way, `line` being the number of the row. It needs `pip install 'recprune[postgresql]'`. Raises ExtensionError where
    that is missing, and DataError where the server does not answer or goes away, the query fails or does more than
    read, a column is missing or of a type of which no id and no number can be made, or no row can be used.
    """
    address = located(path)
    if not isinstance(address, Address) or address.format != "postgresql":
        raise DataError(f"{path}: expected a URL, as in postgresql://host/database", path=str(path))
    needed("pyarrow", "postgresql")
    driver, where = needed("adbc_driver_postgresql.dbapi", "postgresql"), address.text
    with told(where, driver), closing(driver.connect(with_options(address.text))) as connection:
        begin(connection)
        said = {"source": where, "format": "postgresql"}
        database = Server(where, connection, driver)
        return log_of(database, where, said, roles, query=query, table=table, missing=missing, multi=multi)


def with_options(url: str) -> str:
    """The URL with what is always asked for, unless it says so itself."""
    said = {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    wait = {} if "PGCONNECT_TIMEOUT" in os.environ else WAIT
    more = [f"{name}={value}" for name, value in (ALWAYS | wait).items() if name not in said]
    return url + ("&" if "?" in url else "?") + "&".join(more) if more else url


def begin(connection: Any) -> None:
    """The first statements: from here on only reading; text comes as UTF-8, or as it is where the server knows no more
    (then `readable` looks at it)."""
    with connection.cursor() as cursor:
        cursor.execute(ONLY_READS)
        cursor.execute("SELECT current_setting('server_encoding')")
        if cursor.fetchone()[0] == "SQL_ASCII":
            cursor.execute("SET client_encoding TO SQL_ASCII")


@contextmanager
def told(where: str, driver: Any) -> Iterator[None]:
    """What the driver raises as a DataError. The rows come by Arrow, which raises errors of its own."""
    arrow = needed("pyarrow", "postgresql").ArrowException
    try:
        yield
    except DataError:
        raise
    except (driver.Error, driver.Warning, arrow, OSError) as error:
        raise DataError(f"{where}: {reason(str(error))}", path=where) from error


def reason(words: str) -> str:
    """One line of what the driver says."""
    words = words.split("ERROR:")[-1] if "ERROR:" in words else words.removeprefix("IO: ").removeprefix("[libpq] ")
    lines = [line for line in words.strip().split("\n") if line.strip()]
    first = redacted(lines[0].strip() if lines else "it does not answer")
    if "multiple commands" in first:
        return f"a query is one SELECT, and not several statements ({first})"
    if "read-only transaction" in first or "read-write mode" in first:
        return f"a query only reads ({first})"
    if ("password" in first and "authentication" in first) or "no password supplied" in first:
        return f"{first}. The password is taken from PGPASSWORD, PGPASSFILE, a service (PGSERVICE) or ~/.pgpass"
    return first


@dataclass(frozen=True, slots=True)
class Server:
    """An open connection to a server."""

    where: str
    connection: Any
    driver: Any

    def columns(self, query: str) -> list[str]:
        """Names of the columns that a SELECT gives; the server refuses several statements here."""
        with self.connection.cursor() as cursor:
            return list(cursor.adbc_execute_schema(f"{query}\n").names)

    def batches(self, query: str, columns: Sequence[str]) -> Generator[pl.DataFrame]:
        """Those columns, some megabytes at a time."""
        options = {"adbc.postgresql.batch_size_hint_bytes": BATCH}
        with told(self.where, self.driver), self.connection.cursor(adbc_stmt_kwargs=options) as cursor:
            cursor.execute(f"{query}\n")  # the driver puts it in brackets, which a comment at its end must not swallow
            with cursor.fetch_record_batch() as reader:
                for batch in reader:
                    yield frame_of_arrow(batch, list(columns), self.where)

    def tables(self) -> list[str]:
        """Names of the tables and views that this user can see, those of the schema public without it."""
        with self.connection.cursor() as cursor:
            cursor.execute(TABLES)
            return [
                spelled(table) if schema == "public" else spelled(schema, table) for schema, table in cursor.fetchall()
            ]
