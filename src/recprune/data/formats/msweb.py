"""UCI's anonymous web log: lines `C` (a user) and `V` (a visit of the last user), between others."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from recprune.data.dataset import Roles
from recprune.data.gather import Piece, gather
from recprune.data.lines import EMPTY, NOT_UTF8
from recprune.data.log import Log
from recprune.data.unpack import blocks

__all__ = ["read"]

OTHERS = ("A", "I", "T", "N")
OTHER = "no line of this format"


def read(path: str | Path, roles: Roles | None = None, *, name: str = "", encoding: str = "utf-8") -> Log:
    """A log from `C,"10001",10001` and, below it, `V,1000,1`: columns user and item, a row a visit, in file order.

    Lines that describe areas (`A`) or the file itself (`I`, `T`, `N`) say nothing about users and are passed over; any
    other line stands aside. A user is called `name` and its number, because the people of the test file are others than
    those of the same numbers in the training file. Breese, Heckerman and Kadie 1998.
    Raises DataError where the file is empty or has no visit.
    """
    return gather(path, pieces(path, name, encoding), roles or Roles(user="user", item="item"))


def pieces(path: str | Path, name: str, encoding: str) -> Iterator[Piece]:
    """The file as tables of visits, block by block."""
    before, user = 0, ""
    for block in blocks(path, encoding):
        users, items, places, bad = [], [], [], []
        for line in block.split(b"\n")[:-1]:
            before += 1
            kind, value, reason = judged(line)
            if kind == "C":
                user = name + value
            elif kind == "V":
                users.append(user)
                items.append(value)
                places.append(before)
            elif reason:
                bad.append((before, reason, line))
        table = pl.DataFrame({"user": users, "item": items}, schema={"user": pl.String, "item": pl.String})
        yield Piece(table, np.array(places, dtype=np.int64), b"", bad)


def judged(line: bytes) -> tuple[str, str, str]:
    """Kind and value of a line, and what is wrong with it."""
    try:
        fields = next(csv.reader([line.decode()]), [])
    except UnicodeDecodeError:
        return "", "", NOT_UTF8
    except csv.Error:
        return "", "", OTHER
    if len(fields) == 3 and fields[0] in ("C", "V") and fields[1]:
        return fields[0], fields[1], ""
    if fields and fields[0] in OTHERS:
        return fields[0], "", ""
    return "", "", OTHER if fields else EMPTY
