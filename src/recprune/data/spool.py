"""Spool: tables that grow a piece at a time, in memory while they are small, then in temporary Parquet files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl

__all__ = ["Spool"]

LIMIT = 128 << 20
ROWS = 1 << 18
"""Rows that a reader of the files has to hold at once."""


class Spool:
    """Where a reader puts pieces of one table. Its files live as long as it does.

    limit: bytes that stay in memory, 128 MiB if not said; more goes to a temporary folder (`TMPDIR` says where).
    """

    def __init__(self, schema: pl.Schema | None = None, limit: int | None = None) -> None:
        self._schema = schema
        self._limit = LIMIT if limit is None else limit
        self._pieces: list[pl.DataFrame] = []
        self._files: list[Path] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, piece: pl.DataFrame) -> None:
        """Put a piece behind the others."""
        self._pieces.append(piece)
        if sum(p.estimated_size() for p in self._pieces) > self._limit:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="recprune-")
            self._files.append(Path(self._folder.name) / f"{len(self._files):06}.parquet")
            table = pl.concat(self._pieces)
            table.write_parquet(self._files[-1], compression="lz4", statistics=False, row_group_size=ROWS)
            self._pieces.clear()

    def table(self) -> pl.LazyFrame:
        """All pieces in their order. Keep the spool for as long as the table is used."""
        parts = [pl.scan_parquet(self._files)] if self._files else []
        if self._pieces:
            parts.append(pl.concat(self._pieces).lazy())
        return pl.concat(parts) if parts else pl.LazyFrame(schema=self._schema)
