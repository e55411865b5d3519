"""One SELECT: the query that was said, or the one that reads a table, and what is read by it as a log."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Protocol

import polars as pl

from recprune.data.address import redacted
from recprune.data.batch import piece_of_batch, readable
from recprune.data.dataset import Roles
from recprune.data.gather import Piece, gather
from recprune.data.guess import guess_roles
from recprune.data.intern import columns_with_a_role
from recprune.data.log import Log
from recprune.errors import DataError

__all__ = ["Database", "log_of"]

BEGINS = ("select", "with", "values", "table", "from")
SKIPPED = re.compile(r"(?:\s+|\(|--[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*\*/)*")
"""What may stand in front of the first word."""
PART = r'\s*(?:"((?:[^"\0]|"")+)"|([^".\s\0](?:[^".\0]*[^".\s\0])?))\s*'


class Database(Protocol):
    """An open one, in one transaction that only reads. All three raise DataError where it does not answer."""

    def columns(self, query: str) -> Sequence[str]:
        """Names of the columns that a SELECT gives; none of its rows is read."""

    def batches(self, query: str, columns: Sequence[str]) -> Generator[pl.DataFrame]:
        """Those columns of a SELECT, some thousand rows at a time, in its order."""

    def tables(self) -> Sequence[str]:
        """Names of the tables and views that can be read, as `table` takes them."""


def log_of(
    database: Database,
    where: str,
    said: Mapping[str, str],
    roles: Roles | None,
    *,
    query: str | None,
    table: str | None,
    missing: Sequence[str],
    multi: str,
) -> Log:
    """What a query (or a table) gives, as a log, read once and a batch at a time.

    where: the database, for messages. said: what is known of it, for the log's origin, to which the query, the number
    of rows and their checksum are added. Raises DataError where both or neither of query and table are said and the
    database holds more than one, where a column is missing or stands there twice, and what the database raises.
    """
    asked = one_select(database, where, query, table)
    names = database.columns(asked)
    roles = checked(where, names, roles)
    wanted = columns_with_a_role(roles)
    if not wanted:  # nothing can be learned from it, and whoever prepares it is told which columns there are
        return Log(pl.LazyFrame(schema=dict.fromkeys(names, pl.String)), roles, source=where)
    if query is None:
        asked = asked.replace("*", ", ".join(map(quoted, wanted)), 1)
    tally = Tally(wanted)
    with closing(database.batches(asked, wanted)) as batches, closing(tally.pieces(batches)) as pieces:
        log = gather(where, pieces, roles, missing=missing, multi=multi)
    origin = {**said, "query": redacted(asked), "rows": tally.rows, "sha256": tally.sha256()}
    return replace(log, origin=(origin,))


def one_select(database: Database, where: str, query: str | None, table: str | None) -> str:
    """The query itself, or `SELECT *` of the table, or of the only one that there is."""
    if query is not None and table is not None:
        raise DataError(f"{where}: a query or a table, not both", path=where)
    if query is not None:
        asked = query.strip().rstrip(";").rstrip()
        begin = SKIPPED.match(asked)
        word = re.match(r"\w*", asked[begin.end() if begin else 0 :])
        if "\0" in asked or word is None or word[0].lower() not in BEGINS:
            raise DataError(f"{where}: a query is one SELECT, which only reads; this one begins otherwise", path=where)
        return asked
    if table is None:
        there = database.tables()
        if len(there) != 1:
            told = f"it holds {', '.join(there[:30])}" if there else "it holds none that can be read"
            raise DataError(f"{where}: name a table (--table) or say a query (--query); {told}", path=where)
        table = there[0]
    return f"SELECT * FROM {'.'.join(map(quoted, parts_of(where, table)))}"


def parts_of(where: str, table: str) -> list[str]:
    """`schema.table` in its parts; a part that holds a dot stands in double quotes, as in SQL."""
    if re.fullmatch(rf"{PART}(?:\.{PART})*", table) is None:
        raise DataError(f"{where}: {table!r} is no name of a table, as in log or schema.log", path=where)
    return [quoted.replace('""', '"') or bare for quoted, bare in re.findall(PART, table)]


def spelled(*parts: str) -> str:
    """A table's name as `parts_of` takes it apart."""
    return ".".join(part if re.fullmatch(r'[^".\s]+', part) else quoted(part) for part in parts)


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever stands in it."""
    return '"' + name.replace('"', '""') + '"'


def checked(where: str, names: Sequence[str], roles: Roles | None) -> Roles:
    """The roles, or those that the names suggest. Raises DataError for no column, one twice, or one that is missing."""
    if not names:
        raise DataError(f"{where}: a query is one SELECT, which only reads; this one gives no column", path=where)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{where}: two columns are called {twice[0]!r}; name them by AS", path=where, column=twice[0])
    roles = guess_roles(names, [], header=True) if roles is None else roles
    return Log(pl.LazyFrame(schema=dict.fromkeys(names, pl.String)), roles, source=where).roles


class Tally:
    """Counts the rows that go by, and their checksum: the sha256 of them as CSV, NULL as nothing, "" as two quotes.

    It is the same whatever the size of the batches, and for every database that gives the same values.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()
        self._hash.update(pl.DataFrame(schema=dict.fromkeys(columns, pl.String)).write_csv().encode())

    def pieces(self, batches: Iterator[pl.DataFrame]) -> Generator[Piece]:
        """The batches as `gather` takes them."""
        for batch in batches:
            text, broken = readable(batch)
            piece = piece_of_batch(text, broken, self.rows)
            self._hash.update(as_csv(text))
            self.rows += text.height
            yield piece

    def sha256(self) -> str:
        """Checksum of all rows so far as hex."""
        return self._hash.hexdigest()


def as_csv(batch: pl.DataFrame) -> bytes:
    """Rows as text; lists as JSON."""
    lists = [name for name, dtype in batch.schema.items() if isinstance(dtype, pl.List)]
    texts = [pl.when(pl.col(n).is_not_null()).then(pl.struct(n).struct.json_encode()).alias(n) for n in lists]
    return batch.with_columns(texts).write_csv(include_header=False).encode()
