"""Parquet: one file, or a folder of files with the same columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from recprune.data.dataset import Roles
from recprune.data.guess import guess_roles
from recprune.data.log import ASIDE, Log, Rejected
from recprune.data.typed import REASON, typed
from recprune.errors import DataError

__all__ = ["read"]

ROW = "row\0"
KEPT_ASIDE = 100_000


def read(
    path: str | Path,
    roles: Roles | None = None,
    *,
    missing: Sequence[str] = ("",),
    multi: str = "|",
) -> Log:
    """A log from a Parquet file, or from all `*.parquet` files of a folder in the order of their names; lazy.

    Ids become text as they are: 7 becomes "7". roles: None takes those that well-known column names suggest.
    Rows that cannot be used are counted by reason in one pass; the first 100,000 of them stand aside, `line` being the
    row counted from 1 over all files, `text` its columns with a role as JSON.
    Raises DataError where the file is missing, empty or no Parquet, or a column is missing.
    """
    frame = scan(path)
    names = frame.collect_schema().names()
    if roles is None:
        roles = guess_roles(names, [], header=True)
    raw = Log(frame, roles, source=str(path)).frame
    judged = typed(raw, roles, missing=missing, multi=multi)
    tally = judged.group_by(REASON).agg(pl.len()).collect(engine="streaming")
    counts = {why: count for why, count in sorted(tally.rows(), key=str) if why is not None}
    if sum(count for _, count in tally.rows()) == sum(counts.values()):
        raise DataError(f"{path}: no row can be used ({counts or 'it has none'})", path=str(path), counts=counts)
    good = judged.filter(pl.col(REASON).is_null()).drop(REASON)
    return Log(good, roles, Rejected(counts, aside(path, raw, judged)) if counts else Rejected(), str(path))


def scan(path: str | Path) -> pl.LazyFrame:
    """The table, not yet read."""
    path = Path(path)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise DataError(f"{path}: no such Parquet file", path=str(path))
    try:
        frame = pl.scan_parquet(files, glob=False)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}", path=str(path)) from error
    return frame


def aside(path: str | Path, raw: pl.LazyFrame, judged: pl.LazyFrame) -> pl.LazyFrame:
    """The rows that cannot be used, lazy; as they were written."""
    text = pl.struct(pl.exclude(ROW, REASON)).struct.json_encode()
    rows = pl.concat([raw.with_row_index(ROW, offset=1), judged.select(REASON)], how="horizontal")
    return (
        rows.filter(pl.col(REASON).is_not_null())
        .head(KEPT_ASIDE)
        .select(
            pl.lit(str(path)).alias("file"),
            pl.col(ROW).cast(pl.Int64).alias("line"),
            pl.col(REASON),
            text.alias("text"),
        )
        .rename({REASON: "reason"})
        .cast(ASIDE)
    )
