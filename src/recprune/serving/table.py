"""Tables on their way to a file: blocks joined without holding them, CSV that no spreadsheet takes for a formula."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import polars as pl

__all__ = ["ESCAPED", "SUFFIXES", "escaped", "join", "packed"]

SUFFIXES = (".parquet", ".csv")
ESCAPED = "-=+@\t\r'"
"""A text cell that begins with one of these gets a ' in front: the first six are taken for a formula by spreadsheets,
the last so that taking one leading ' away gives every cell back."""
ROWS = 1 << 17
"""Rows of a group of the Parquet file."""


def packed(frame: pl.DataFrame) -> bytes:
    """A table as the bytes of a Parquet file."""
    out = io.BytesIO()
    frame.write_parquet(out, compression="zstd")
    return out.getvalue()


def escaped(frame: pl.DataFrame) -> pl.DataFrame:
    """The table with its text columns as CSV may hold them."""
    risky = pl.col(pl.String).str.contains(f"^[{ESCAPED}]")
    return frame.with_columns(pl.when(risky).then("'" + pl.col(pl.String)).otherwise(pl.col(pl.String)).name.keep())


def join(parts: Sequence[Path], out: Path) -> None:
    """One file of all parts, in their order, whole or not at all: what stood there stands until the new one is on the
    disk. One part is held at a time. Raises OSError."""
    target = Path(os.path.realpath(out))
    beside = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        (_csv if target.suffix == ".csv" else _parquet)(parts, beside)
        with open(beside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _csv(parts: Sequence[Path], beside: Path) -> None:
    with open(beside, "xb") as file:
        for number, part in enumerate(parts):
            frame = escaped(pl.read_parquet(part))
            frame.write_csv(file, include_header=number == 0, quote_style="non_numeric", line_terminator="\n")


def _parquet(parts: Sequence[Path], beside: Path) -> None:
    pl.scan_parquet(list(parts)).sink_parquet(beside, compression="zstd", row_group_size=ROWS, maintain_order=True)
