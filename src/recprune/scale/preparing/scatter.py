"""Stage 1: a part of the raw log is read, and its rows are put in order of their buckets."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.data.formats.delimited import piece_of_block, without_header
from recprune.data.formats.parquet import aside, kind_of, part_of
from recprune.data.gather import told, usable
from recprune.data.intern import columns_with_a_role
from recprune.data.log import ASIDE
from recprune.data.typed import REASON, typed
from recprune.data.unpack import unix
from recprune.scale.pieces import put_shelf, put_table
from recprune.scale.preparing.ids import bucket_of
from recprune.scale.preparing.job import ROW, WIDTH, Job
from recprune.scale.preparing.source import Part, Source

__all__ = ["scatter"]

Read = tuple[pl.DataFrame, pl.DataFrame, dict[str, int], int]
"""Rows that can be used, those that cannot (as `Rejected.rows`), their counts by reason, and how many lines there are;
lines of a text are counted from 1 in their part, and rows of a table from 1 in their source, whose lines are 0."""


def scatter(job: Job, number: int) -> dict[str, Any]:
    """Write the rows of a part with their numbers, a table for every bucket; what cannot be used stands aside. Says how
    many rows can be used, how many lines the part has, and why others cannot.

    The bucket of a row is a hash of its user, so that a user is whole in one; without users any bucket will do.
    """
    source = job.source
    read = _of_text if source.shape is not None else _of_table
    frame, bad, counts, lines = read(source, number)
    numbers = pl.int_range(pl.len(), dtype=pl.Int64) + (number << WIDTH)
    frame = frame.select(*columns_with_a_role(source.roles), numbers.alias(ROW))
    put_shelf(job.place("scatter", number, "shelf"), frame, _buckets(frame, job, number), job.buckets)
    if bad.height:
        put_table(job.place("aside", number), bad)
    return {"rows": frame.height, "lines": lines, "counts": counts}


def _buckets(frame: pl.DataFrame, job: Job, number: int) -> NDArray[np.integer]:
    user = job.source.roles.user
    if user is None:
        return np.full(frame.height, number % job.buckets, dtype=np.int64)
    return bucket_of(job, frame[user].cast(pl.String))


def _of_table(source: Source, number: int) -> Read:
    part = source.parts[number]
    raw = _rows_of(source, part)
    judged = typed(raw, source.roles, missing=source.missing, multi=source.multi)
    frame = judged.select(*columns_with_a_role(source.roles), REASON).collect(engine="streaming")
    good = frame.filter(pl.col(REASON).is_null()).drop(REASON)
    counts = _counted(frame[REASON].drop_nulls())
    if not counts:
        return good, pl.DataFrame(schema=ASIDE), {}, 0
    whole = raw.collect().lazy()
    bad = aside(source.path, whole, typed(whole, source.roles, missing=source.missing, multi=source.multi))
    return good, bad.with_columns(pl.col("line") + part.before).collect(), counts, 0


def _rows_of(source: Source, part: Part) -> pl.LazyFrame:
    """The rows of a part with the columns of all files, as `scan` gives them."""
    have, values = kind_of(Path(source.root), Path(part.path))
    there = {name for name, _ in (*have, *values)}
    rows = part_of([Path(part.path)], dict(values)).slice(part.begin, part.end - part.begin)
    return rows.select(
        (pl.col(name).cast(kind) if name in there else pl.lit(None, kind).alias(name))
        for name, kind in source.schema.items()
    )


def _of_text(source: Source, number: int) -> Read:
    shape, before = source.shape, 0
    assert shape is not None
    block = lines_of(source.parts[number])
    if number == 0:
        block = block.removeprefix(codecs.BOM_UTF8)
        if shape.header:
            before, block = without_header(block)
    if not block:
        empty = pl.LazyFrame(schema=dict.fromkeys(shape.names, pl.String))
        frame = typed(empty, source.roles, missing=source.missing, multi=source.multi).drop(REASON).collect()
        return frame, pl.DataFrame(schema=ASIDE), {}, before
    piece, lines = piece_of_block(block, shape, before)
    frame, bad = usable(piece, source.roles, missing=source.missing, multi=source.multi)
    aside = told(source.path, bad)
    return frame, aside, _counted(aside["reason"]), before + lines


def lines_of(part: Part) -> bytes:
    """The lines whose first byte lies in the part, whole, each ending with a newline."""
    with Path(part.path).open("rb") as file:
        begin = part.begin
        if begin:
            file.seek(begin - 1)
            begin += len(file.readline()) - 1
        if begin >= part.end:
            return b""
        file.seek(begin)
        block = file.read(part.end - begin)
        if not block.endswith(b"\n"):
            block += file.readline()
    return unix(block if block.endswith(b"\n") else block + b"\n")


def _counted(reasons: pl.Series) -> dict[str, int]:
    return {str(why): int(n) for why, n in sorted(reasons.value_counts().rows())}
