"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recprune.data.dataset import Roles
from recprune.data.gather import Piece, gather
from recprune.data.guess import guess_roles
from recprune.data.intern import columns_with_a_role
from recprune.data.lines import EMPTY, NOT_UTF8
from recprune.data.log import Log
from recprune.data.unpack import blocks, first_lines
from recprune.errors import DataError

__all__ = ["read"]


def read(
    path: str | Path,
    roles: Roles | None = None,
    *,
    encoding: str = "utf-8",
    missing: Sequence[str] = ("",),
) -> Log:
    """A log from lines of JSON objects, plain or packed; the columns are those with a role.

    Numbers are kept as they are written: the id 7 is "7", 7.0 is "7.0". A key that is missing, or null, is an empty
    value; true and false are "true" and "false"; a list is a multi-valued field; anything deeper stays JSON text.
    roles: None takes those that well-known keys of the first lines suggest.
    Raises DataError where the file is empty, no line has a named key, or no line can be used.
    """
    keys = keys_of(path, first_lines(path, encoding))
    roles = roles or guess_roles(keys, [], header=True)
    columns = columns_with_a_role(roles) or keys
    Log(pl.LazyFrame(schema=dict.fromkeys(keys, pl.String)), roles, source=str(path))  # says which key is missing
    return gather(path, pieces(path, columns, roles, encoding), roles, missing=missing)


def keys_of(path: str | Path, lines: Sequence[str]) -> list[str]:
    """Keys of the first objects, in the order in which they come."""
    keys: dict[str, None] = {}
    for line in lines:
        found = parsed(line)
        if isinstance(found, dict):
            keys |= dict.fromkeys(found)
    if not keys:
        raise DataError(f"{path}: expected a JSON object a line; the first line is {lines[:1]}", path=str(path))
    return list(keys)


def parsed(line: str) -> Any:
    """What a line says, numbers as text; None where it is not JSON, or holds half a character (\\ud800), which is no
    text."""
    try:
        found = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
        if "\\u" in line:
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return found


def pieces(path: str | Path, columns: Sequence[str], roles: Roles, encoding: str) -> Iterator[Piece]:
    """The file as tables of text, block by block."""
    before = 0
    schema = {name: pl.List(pl.String) if name in roles.multi else pl.String() for name in columns}
    for block in blocks(path, encoding):
        rows, places, good, bad = [], [], [], []
        lines = block.split(b"\n")[:-1]
        for place, line in enumerate(lines, start=before + 1):
            found, reason = judged(line)
            if reason:
                bad.append((place, reason, line))
                continue
            rows.append([value(found.get(name), name in roles.multi) for name in columns])
            places.append(place)
            good.append(line)
        before += len(lines)
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        yield Piece(frame, np.array(places, dtype=np.int64), b"\n".join(good), bad)


def judged(line: bytes) -> tuple[dict[str, Any], str]:
    """The object of a line, or why there is none."""
    if not line.strip():
        return {}, EMPTY
    try:
        found = parsed(line.decode())
    except UnicodeDecodeError:
        return {}, NOT_UTF8
    return (found, "") if isinstance(found, dict) else ({}, "not a JSON object")


def value(found: Any, multi: bool) -> Any:
    """A value as text, or as a list of texts."""
    if multi:
        listed = found if isinstance(found, list) else [] if found is None else [found]
        return [text(entry) for entry in listed]
    return text(found)


def text(found: Any) -> str:
    """One value as text."""
    if found is None:
        return ""
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
