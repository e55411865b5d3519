"""Session lines: the items of a session in their order, without a user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from recprune.data.dataset import Roles
from recprune.data.formats.adjacency import words
from recprune.data.gather import Piece, gather
from recprune.data.lines import judge
from recprune.data.log import Log
from recprune.data.unpack import blocks

__all__ = ["read"]


def read(
    path: str | Path,
    roles: Roles | None = None,
    *,
    name: str = "",
    encoding: str = "utf-8",
) -> Log:
    """A log from lines of items, parted by spaces or tabs, plain or packed.

    Columns `session`, `item` and `time`, a row an item, in the order of the file. The session, which takes the role of
    the user, is `name` and the number of the line; `time` counts the rows from 0. The same item may come again: the
    log's `repeats` is true. In files of test samples the last item of a line is the target: `split_last(..., n=1)`.
    Raises DataError where the file is empty.
    """
    roles = roles or Roles(user="session", item="item", time="time")
    return gather(path, pieces(path, encoding, name), roles, repeats=True)


def pieces(path: str | Path, encoding: str, name: str) -> Iterator[Piece]:
    """The file as tables of clicks, block by block."""
    before = rows = 0
    for block in blocks(path, encoding):
        judged = judge(block, None, b" ")
        numbers = pl.Series(judged.numbers + before + 1)
        items = words(judged.text)
        table = pl.DataFrame({"session": name + numbers.cast(pl.String), "item": items})
        places = np.repeat(numbers.to_numpy(), items.list.len().to_numpy())
        table = table.explode("item", empty_as_null=False, keep_nulls=False)
        table = table.with_columns(pl.int_range(rows, rows + table.height, dtype=pl.Int64).alias("time"))
        bad = [(line + before + 1, reason, text) for line, reason, text in judged.bad]
        before, rows = before + judged.total, rows + table.height
        yield Piece(table, places, b"", bad)
