"""Adjacency lines: `user item item ...`, as graph recommenders and sequence models keep their data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from recprune.data.dataset import Roles
from recprune.data.gather import Piece, gather
from recprune.data.lines import judge
from recprune.data.log import Log
from recprune.data.unpack import blocks

__all__ = ["read"]

NO_ITEM = "user without an item"


def read(
    path: str | Path,
    roles: Roles | None = None,
    *,
    ordered: bool = False,
    encoding: str = "utf-8",
) -> Log:
    """A log from lines of a user and its items, parted by spaces or tabs, plain or packed.

    Columns `user` and `item`, a row an item, in the order of the file; a user may have several lines. Lines that are
    empty, or name a user without an item, give no row; they are counted and stand aside.
    ordered: the items of a line are in the order of time, and the same item may come again: then a column `time` counts
    the rows from 0, and the log's `repeats` is true.
    Raises DataError where the file is empty or no line has an item.
    """
    roles = roles or Roles(user="user", item="item", time="time" if ordered else None)
    return gather(path, pieces(path, encoding, ordered), roles, repeats=ordered)


def pieces(path: str | Path, encoding: str, ordered: bool) -> Iterator[Piece]:
    """The file as tables of pairs, block by block."""
    before = rows = 0
    for block in blocks(path, encoding):
        judged = judge(block, None, b" ")
        tokens = words(judged.text)
        items = tokens.list.slice(1)
        alone = np.flatnonzero((tokens.list.len() < 2).to_numpy())
        lines = judged.text.split(b"\n")
        bad = [(line + before + 1, reason, text) for line, reason, text in judged.bad]
        bad += [(int(judged.numbers[i]) + before + 1, NO_ITEM, lines[i]) for i in alone]
        table = pl.DataFrame({"user": tokens.list.first(), "item": items})
        places = np.repeat(judged.numbers + before + 1, items.list.len().to_numpy())
        table = table.explode("item", empty_as_null=False, keep_nulls=False)
        if ordered:
            table = table.with_columns(pl.int_range(rows, rows + table.height, dtype=pl.Int64).alias("time"))
        before, rows = before + judged.total, rows + table.height
        yield Piece(table, places, b"", bad)


def words(text: bytes) -> pl.Series:
    """The words of each line, parted by spaces and tabs."""
    lines = pl.Series(text.decode().split("\n")[:-1], dtype=pl.String)
    return lines.str.extract_all(r"[^ \t]+")
