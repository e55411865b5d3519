"""compact(): a table of any size, cut to the rows that are worth most, in memory of a fixed size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.atomic import replacing, room_for, scratch
from recprune.errors import ArtifactError, BudgetError
from recprune.large.blocks import BLOCK, blocks
from recprune.large.table import TYPES, Table, header, read_table
from recprune.large.threshold import Threshold, ordered, threshold

__all__ = ["Compacted", "Cut", "compact", "measured", "norms", "staying", "written"]

SCORE, ROW = np.dtype("<f4"), np.dtype("<i8")
NARROW = 16
"""How much smaller blocks of scores are than those of rows: what is made of them takes several times as much."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was written: a safetensors file with `rows` of `before` rows of the table, and which they were."""

    path: Path
    before: int
    rows: int
    columns: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Cut:
    """What stays of a table, or of a shard of one. first: rows at its beginning that stay whatever they are worth.
    limit: what the others are judged by, None where none of them stays. passed: rows of other shards in front of it
    whose score is that of the limit. before: rows of the shards in front of it."""

    first: int
    limit: Threshold | None
    passed: int = 0
    before: int = 0


def compact(
    source: str | Path,
    out: str | Path,
    rows: int,
    *,
    scores: str | Path | None = None,
    name: str | None = None,
    first: int = 1,
    block: int = BLOCK,
) -> Compacted:
    """Write the table again with exactly so many of its rows, in their order, and whole or not at all.

    source: a safetensors file; name: of the matrix in it, where there are several. rows: how many stay. scores: a .npy
    file of float32, one a row, higher = worth keeping; None takes the squared length of a row, which reads the table
    once more. first: rows that stay whatever they are worth, as row 0, which answers for ids that are unknown. Of
    equal scores the lower row leaves first, as everywhere.
    The file holds the matrix under its name and, as `NAME.rows`, (rows,) int64, which rows of the old table they were,
    for the vocabulary. Memory is a few blocks of `block` bytes, whatever the size of the table. Raises ArtifactError
    for a file that cannot be read or written, BudgetError where not so many rows can stay or a score is NaN.
    """
    table = read_table(source, name)
    if not max(first, 1) <= rows <= table.rows:
        raise BudgetError(
            f"{rows:,} rows cannot stay of {table.rows:,}, {first:,} of which stay whatever they are worth"
        )
    out = Path(out)
    try:
        room_for(out, _size(table, rows) + (table.rows * SCORE.itemsize if scores is None else 0))
        with replacing(out) as fresh, scratch(out) as place:
            found = measured(table, scores, place / "scores", block)
            cut = Cut(first, _limit(found, table, first, rows, block))
            size, digest = written(table, found, cut, rows, fresh, block)
    except OSError as error:
        raise ArtifactError(f"{out} cannot be written: {error.strerror or error}", path=str(out)) from error
    return Compacted(out, table.rows, rows, table.columns, size, digest)


def norms(table: Table, block: NDArray[Any]) -> NDArray[np.float32]:
    """(rows,) squared length of every row: the same for a row whatever stands beside it."""
    numbers = table.numbers(block)
    squares: NDArray[Any] = np.einsum("ij,ij->i", numbers, numbers)
    return squares.astype(np.float32)


def measured(table: Table, given: str | Path | None, place: Path, block: int = BLOCK) -> tuple[Path, int]:
    """A file of float32 scores, and where in it they begin: the one that is given, or `place`, which is written.

    Raises ArtifactError for a file of other scores.
    """
    if given is None:
        with place.open("wb") as file:
            for rows in _rows(table, block):
                file.write(norms(table, rows).astype(SCORE).data)
        return place, 0
    given = Path(given)
    try:
        with given.open("rb") as opened:
            version = np.lib.format.read_magic(opened)
            shape, _, dtype = np.lib.format.read_array_header_1_0(opened) if version == (1, 0) else ((), False, ROW)
            begin = opened.tell()
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{given} cannot be read as scores: {error}", path=str(given)) from error
    if shape != (table.rows,) or dtype != SCORE:
        raise ArtifactError(
            f"{given} holds {dtype} of {shape}, and the table wants float32, one of each of its {table.rows:,} rows",
            path=str(given),
        )
    return given, begin


def _head(table: Table, rows: int) -> bytes:
    kept, matrix = ("I64", (rows,), rows * 8), (table.dtype, (rows, table.columns), rows * table.row_bytes)
    return header({f"{table.name}.rows": kept, table.name: matrix})


def _size(table: Table, rows: int) -> int:
    """Bytes of the file that is written."""
    return len(_head(table, rows)) + rows * (8 + table.row_bytes)


def _rows(table: Table, block: int) -> Iterator[NDArray[Any]]:
    size = _at_once(table, block) * table.row_bytes
    return blocks(table.path, TYPES[table.dtype], (table.rows, table.columns), table.begin, size)


def _at_once(table: Table, block: int) -> int:
    """Rows of a block; of short rows no more than scores of one."""
    return max(1, min(block // table.row_bytes, block // NARROW // SCORE.itemsize))


def _limit(scores: tuple[Path, int], table: Table, first: int, rows: int, block: int) -> Threshold | None:
    """None where only the first rows stay."""
    path, begin = scores
    if rows == first:
        return None

    def read() -> Iterator[NDArray[np.float32]]:
        return blocks(path, SCORE, (table.rows - first,), begin + first * SCORE.itemsize, max(1, block // NARROW))

    return threshold(read, rows - first)


def staying(scores: tuple[Path, int], table: Table, cut: Cut, step: int) -> Iterator[NDArray[np.bool_]]:
    """Which rows stay, `step` of them at a time."""
    path, begin = scores
    passed, at = cut.passed, 0
    for values in blocks(path, SCORE, (table.rows,), begin, step * SCORE.itemsize):
        head = min(max(cut.first - at, 0), len(values))
        out = np.zeros(len(values), dtype=np.bool_)
        out[:head] = True
        if cut.limit is not None:
            out[head:], passed = cut.limit.stays(ordered(values[head:]), passed)
        at += len(values)
        yield out


def written(
    table: Table, scores: tuple[Path, int], cut: Cut, rows: int, fresh: Path, block: int = BLOCK
) -> tuple[int, str]:
    """Write `rows` rows, which are those that the cut leaves, to a new file: its bytes and sha256. It is on the disk
    when this returns."""
    head = _head(table, rows)
    room_for(fresh.parent, _size(table, rows))
    digest, total = hashlib.sha256(), 0
    with fresh.open("xb", buffering=0) as file:
        for data in _pieces(table, scores, cut, head, block):
            view = memoryview(data).cast("B")
            digest.update(view)
            total += len(view)
            while len(view):
                view = view[file.write(view) or 0 :]
        os.fsync(file.fileno())
    return total, digest.hexdigest()


def _pieces(table: Table, scores: tuple[Path, int], cut: Cut, head: bytes, block: int) -> Iterator[Any]:
    """The bytes of the file, in order."""
    yield head
    step, at = _at_once(table, block), cut.before
    for stays in staying(scores, table, cut, max(1, block // NARROW // SCORE.itemsize)):
        yield (np.flatnonzero(stays) + at).astype(ROW, copy=False).data
        at += len(stays)
    for rows, stays in zip(_rows(table, block), staying(scores, table, cut, step), strict=True):
        yield np.ascontiguousarray(rows[stays]).reshape(-1).data
