"""Parquet: one file, or a data set of many: a folder, with hive partitions or without, or a pattern."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote

import polars as pl

from recprune.data.dataset import Roles
from recprune.data.guess import guess_roles
from recprune.data.log import ASIDE, Log, Rejected
from recprune.data.typed import REASON, typed
from recprune.errors import DataError

__all__ = ["read"]

ROW = "row\0"
KEPT_ASIDE = 100_000
NULL = "__HIVE_DEFAULT_PARTITION__"
TABLE_OF = {"_delta_log": "a Delta Lake table", "metadata": "an Iceberg table", ".hoodie": "a Hudi table"}
"""A folder that says that not all files beside it count -> what it belongs to."""


def read(
    path: str | Path,
    roles: Roles | None = None,
    *,
    missing: Sequence[str] = ("",),
    multi: str = "|",
) -> Log:
    """A log from a Parquet file, or from all `*.parquet` files of a folder and the folders in it, or of a pattern such
    as `logs/2024-*` (files, or folders of files), in the order of their names; lazy.

    A folder called `day=2024-01-31` gives its files a column `day` of text. Names that begin with `_` or `.` are left
    out, as Hive does. Files may lack columns that others have (they are null), and hold narrower numbers. Ids become
    text as they are: 7 becomes "7". roles: None takes those that well-known column names suggest.
    Rows that cannot be used are counted by reason in one pass; the first 100,000 of them stand aside, `line` being the
    row counted from 1 over all files, `text` its columns with a role as JSON.
    Raises DataError where the file is missing, empty or no Parquet, a column is missing, and for a folder in which not
    all files count (Delta Lake, Iceberg, Hudi).
    """
    frame = scan(path)
    names = frame.collect_schema().names()
    if roles is None:
        roles = guess_roles(names, [], header=True)
    raw = Log(frame, roles, source=str(path)).frame
    judged = typed(raw, roles, missing=missing, multi=multi)
    with told(path):
        tally = judged.group_by(REASON).agg(pl.len()).collect(engine="streaming")
    counts = {why: count for why, count in sorted(tally.rows(), key=str) if why is not None}
    if sum(count for _, count in tally.rows()) == sum(counts.values()):
        raise DataError(f"{path}: no row can be used ({counts or 'it has none'})", path=str(path), counts=counts)
    good = judged.filter(pl.col(REASON).is_null()).drop(REASON)
    return Log(good, roles, Rejected(counts, aside(path, raw, judged)) if counts else Rejected(), str(path))


@contextmanager
def told(path: str | Path) -> Iterator[None]:
    """What polars raises as a DataError."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}", path=str(path)) from error


def scan(path: str | Path) -> pl.LazyFrame:
    """The table, not yet read."""
    files = files_of(Path(path))
    if not files:
        raise DataError(f"{path}: no such Parquet file", path=str(path))
    kinds = [kind_of(Path(path), file) for file in files]
    parts = [
        part_of([file for _, file in group], dict(values))
        for (_, values), group in groupby(zip(kinds, files, strict=True), key=lambda pair: pair[0])
    ]
    with told(path):
        if len(parts) == 1:
            return parts[0]
        frame = pl.concat(parts, how="vertical" if alike(kinds) else "diagonal_relaxed")
        frame.collect_schema()
    return frame


Values = tuple[tuple[str, str | None], ...]
Kind = tuple[tuple[tuple[str, pl.DataType], ...], Values]


def kind_of(root: Path, file: Path) -> Kind:
    """Names and types of a file's columns, and the names and values that the folders between say, as in `day=1`.

    Of a pattern these are all folders of the path.
    """
    with told(file):
        columns = tuple(pl.read_parquet_schema(file).items())
    between = file.parent.relative_to(root).parts if root.is_dir() else file.parent.parts if file != root else ()
    said = [part.partition("=") for part in between if "=" in part[1:]]
    return columns, tuple((unquote(name), None if value == NULL else unquote(value)) for name, _, value in said)


def alike(kinds: Sequence[Kind]) -> bool:
    """Whether all files have the same columns, of the same types and in the same order."""
    first = (kinds[0][0], [name for name, _ in kinds[0][1]])
    return all((columns, [name for name, _ in values]) == first for columns, values in kinds)


def part_of(files: list[Path], values: Mapping[str, str | None]) -> pl.LazyFrame:
    """Files with the same columns, and what their folders say."""
    frame = pl.scan_parquet(files, glob=False)
    return frame.with_columns([pl.lit(value, pl.String).alias(name) for name, value in values.items()])


def files_of(path: Path) -> list[Path]:
    """The file, the files of a folder or of a pattern, in the order of their names. Raises DataError where a folder is
    a table that says by itself which files count."""
    if path.is_file():
        return [path]
    if path.is_dir():
        for name, table in TABLE_OF.items():
            if (path / name).is_dir() and (name != "metadata" or any((path / name).glob("*.metadata.json"))):
                raise DataError(
                    f"{path} is {table}, whose files may hold rows that were removed; write what counts as Parquet, or "
                    "read it by a query of DuckDB",
                    path=str(path),
                )
        found = [file for file in path.rglob("*.parquet") if not hidden(file.relative_to(path))]
    else:
        named = [Path(name) for name in glob.glob(str(path), recursive=True)]
        found = [file for one in named if not hidden(Path(one.name)) for file in files_of(one)]
    return sorted({file for file in found if file.is_file()})


def hidden(path: Path) -> bool:
    """Whether a file, or a folder above it, is one that Hive does not look at."""
    return any(part.startswith((".", "_")) and "=" not in part for part in path.parts)


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
