"""From the pieces of a text file to a log: types, reasons, and what stands aside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.data.ahead import ahead
from recprune.data.dataset import Roles
from recprune.data.lines import Judged
from recprune.data.log import ASIDE, Log, Rejected
from recprune.data.spool import Spool
from recprune.data.typed import REASON, typed
from recprune.errors import DataError

__all__ = ["Piece", "gather", "piece_of"]

Bad = Sequence[tuple[int, str, bytes]]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Rows of one block, and the lines that became none.

    frame: text columns. lines: (rows,) the line of each row, counted from 1. text: the lines themselves, one a row;
    empty where a line becomes several rows. bad: line, reason, bytes. as_json: of rows that have no line, JSON stands
    aside.
    """

    frame: pl.DataFrame
    lines: NDArray[np.int64]
    text: bytes
    bad: Bad
    as_json: bool = False


def piece_of(frame: pl.DataFrame, judged: Judged, before: int) -> Piece:
    """A piece with one row a good line, of a block that has `before` lines in front of it."""
    bad = [(line + before + 1, reason, text) for line, reason, text in judged.bad]
    return Piece(frame, judged.numbers + before + 1, judged.text, bad)


def gather(
    path: str | Path,
    pieces: Iterable[Piece],
    roles: Roles,
    *,
    missing: Sequence[str] = ("",),
    multi: str = "|",
    repeats: bool = False,
) -> Log:
    """All pieces as one log, in order. Large ones go to temporary files, so that memory stays at a few blocks.

    Raises DataError where a column is missing, or where no line can be used.
    """
    rows, aside, counts, total = Spool(), Spool(ASIDE), dict[str, int](), 0
    with closing(ahead(iter(pieces))) as coming:
        for piece in coming:
            if not total:
                Log(piece.frame.lazy(), roles, source=str(path))  # says at once which column is missing
            table, bad = usable(piece, roles, missing=missing, multi=multi)
            put_aside(path, bad, aside, counts)
            rows.add(table)
            total += table.height
    if total == 0:
        raise DataError(
            f"{path}: no line can be used ({', '.join(f'{why}: {n:,}' for why, n in counts.items()) or 'it is empty'})",
            path=str(path),
            counts=counts,
        )
    rejected = Rejected(counts, aside.table())
    return Log(rows.table(), roles, rejected, str(path), repeats, (rows, aside))


def usable(piece: Piece, roles: Roles, *, missing: Sequence[str], multi: str) -> tuple[pl.DataFrame, Bad]:
    """The rows of a piece that can be used, typed, and all its lines that cannot, in their order."""
    table = typed(piece.frame.lazy(), roles, missing=missing, multi=multi).collect()
    wrong = np.flatnonzero(table[REASON].is_not_null().to_numpy())
    if not len(wrong):
        return table.drop(REASON), piece.bad
    reasons, texts = table[REASON].gather(wrong).to_list(), raw(piece, wrong)
    more = [(int(piece.lines[i]), why, text) for i, why, text in zip(wrong, reasons, texts, strict=True)]
    bad = sorted([*piece.bad, *more], key=lambda row: row[0])
    return table.filter(pl.col(REASON).is_null()).drop(REASON), bad


def raw(piece: Piece, rows: NDArray[np.int64]) -> list[bytes]:
    """Those rows as they were written; of a line that becomes several rows, the words of each."""
    if piece.text:
        lines = piece.text.split(b"\n")
        return [lines[row] for row in rows]
    if piece.as_json:
        texts = piece.frame[rows].select(pl.struct(pl.all()).struct.json_encode()).to_series()
        return [text.encode() for text in texts]
    return [" ".join(map(str, piece.frame.row(row))).encode() for row in rows.tolist()]


def put_aside(path: str | Path, bad: Bad, aside: Spool, counts: dict[str, int]) -> None:
    """Count bad lines by reason, and keep them in the order of their lines."""
    if not bad:
        return
    for _, reason, _ in bad:
        counts[reason] = counts.get(reason, 0) + 1
    aside.add(told(path, bad))


def told(path: str | Path, bad: Bad) -> pl.DataFrame:
    """Bad lines as rows of `Rejected`."""
    columns = {
        "file": [str(path)] * len(bad),
        "line": [line for line, _, _ in bad],
        "reason": [reason for _, reason, _ in bad],
        "text": [text.decode(errors="backslashreplace") for _, _, text in bad],
    }
    return pl.DataFrame(columns, schema=ASIDE)
