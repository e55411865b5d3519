"""Source: a raw log as parts that can be read one without the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from recprune.data import formats
from recprune.data.dataset import Roles
from recprune.data.formats.delimited import Shape, look
from recprune.data.formats.parquet import files_of, scan
from recprune.data.guess import guess_roles
from recprune.data.log import Log
from recprune.data.logtoml import read_log_toml
from recprune.data.read import understood
from recprune.data.recognise import recognise
from recprune.data.store import sha256
from recprune.data.unpack import MAGIC
from recprune.discover import load
from recprune.errors import DataError
from recprune.scale.pieces import put_table

__all__ = ["Part", "Source", "guessed", "source_of", "source_of_log"]

SAMPLE = 10_000
"""Rows of a Parquet file that are looked at to say how many bytes a row takes in memory."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a file: rows begin to end of a Parquet file, or the lines that begin in bytes begin to end of a text.

    before: rows of the files in front of it, so that a row that cannot be used is told by its number.
    """

    path: str
    begin: int
    end: int
    before: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """path: as it was named. roles: which column plays which part. size: bytes it takes in memory, about.

    shape: how lines of a text are taken apart. root, schema: of Parquet, the path of all files, and their columns
    together. repeats, counts, aside, origin: of a log that was read already, as `Log` has them; aside is a table of
    what could not be read.
    """

    path: str
    roles: Roles
    parts: tuple[Part, ...]
    size: int
    shape: Shape | None = None
    missing: Sequence[str] = ("",)
    multi: str = "|"
    repeats: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    aside: str | None = None
    origin: tuple[Mapping[str, Any], ...] = ()
    root: str = ""
    schema: Mapping[str, pl.DataType] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """What makes this source this source: files, their sizes and times, and how they are read."""
        files = [Path(path) for path in sorted({part.path for part in self.parts})]
        said = {name: str(getattr(self, name)) for name in ("roles", "shape", "missing", "multi", "parts")}
        return {"files": [[str(one), one.stat().st_size, one.stat().st_mtime_ns] for one in files], **said}


def source_of(
    path: str | Path, part: int, format: str | None = None, roles: Roles | None = None, **options: Any
) -> Source | None:
    """The parts of Parquet files and of plain UTF-8 text, about `part` bytes each; None for what has to be read whole.

    format, roles, options: as `recprune.data.read.read` takes them. Raises DataError as that does.
    """
    if _elsewhere(path):
        return None
    where, format, roles, options = _meant(Path(path), format, roles, options)
    if format == "parquet":
        return _tables(where, part, roles, **understood(format, load(formats, format), options))
    if format == "delimited" and _plain(where, options):
        return _text(where, part, roles, **understood(format, load(formats, format), options))
    return None


def guessed(path: str | Path, format: str | None = None, **options: Any) -> Roles | None:
    """The roles that are taken where none are said; None for what has to be read whole, which says them then."""
    if _elsewhere(path):
        return None
    where, format, roles, options = _meant(Path(path), format, None, options)
    if roles is not None:
        return roles
    if format == "parquet":
        return guess_roles(scan(where).collect_schema().names(), [], header=True)
    if format == "delimited" and _plain(where, options):
        return _looked(where, None, **understood(format, load(formats, format), options))[1]
    return None


def _elsewhere(path: str | Path) -> bool:
    """Whether it is a URL, or a log.toml that names one."""
    if Path(path).suffix == ".toml":
        return isinstance(read_log_toml(path).path, str)
    return "://" in str(path)


def _meant(
    path: Path, format: str | None, roles: Roles | None, options: dict[str, Any]
) -> tuple[Path, str, Roles | None, dict[str, Any]]:
    """Where the log is, its format, roles and options, as a log.toml or its first bytes say where nobody does."""
    if path.suffix == ".toml":
        said = read_log_toml(path)
        if said.path is None:
            raise DataError(f'{path} names no path to a log: add path = "..."', path=str(path))
        return _meant(Path(said.path), format or said.format, roles or said.roles, {**said.options, **options})
    if format is None:
        path, format, found = recognise(path)
        options = {**found, **options}
    return path, format, roles, options


def source_of_log(log: Log, folder: Path, part: int) -> Source:
    """A log of any format as parts of a Parquet file in the folder; one that holds the same already is kept."""
    written, aside, beside = folder / "log.parquet", folder / "aside.arrow", folder / ".log.parquet.tmp"
    folder.mkdir(parents=True, exist_ok=True)
    log.frame.sink_parquet(beside, compression="lz4")
    if not (written.is_file() and sha256(written) == sha256(beside)):
        beside.replace(written)
    beside.unlink(missing_ok=True)
    put_table(aside, log.rejected.rows.collect())
    found = _tables(written, part, log.roles)
    return replace(
        found,
        path=log.source,
        repeats=log.repeats,
        counts=dict(log.rejected.counts),
        aside=str(aside),
        origin=tuple(log.origin),
    )


def _tables(path: Path, part: int, roles: Roles | None, missing: Sequence[str] = ("",), multi: str = "|") -> Source:
    frame = scan(path)
    roles = roles or guess_roles(frame.collect_schema().names(), [], header=True)
    checked = Log(frame, roles, source=str(path))  # says at once which column is missing
    head = checked.frame.head(SAMPLE).collect()
    width = max(1, int(head.estimated_size()) // max(1, head.height))
    step, before, parts = max(1, part // width), 0, list[Part]()
    for file in map(str, files_of(path)):
        rows = int(pl.scan_parquet(file, glob=False).select(pl.len()).collect().item())
        parts += [Part(file, begin, min(begin + step, rows), before + begin) for begin in range(0, rows, step)]
        before += rows
    if not parts:
        raise DataError(f"{path}: no row can be used (it has none)", path=str(path), counts={})
    return Source(
        str(path),
        roles,
        tuple(parts),
        before * width,
        missing=tuple(missing),
        multi=multi,
        root=str(path),
        schema=dict(frame.collect_schema()),
    )


def _text(
    path: Path, part: int, roles: Roles | None, *, missing: Sequence[str] = ("",), multi: str = "|", **options: Any
) -> Source:
    shape, roles = _looked(path, roles, **options)
    Log(pl.LazyFrame(schema=dict.fromkeys(shape.names, pl.String)), roles, source=str(path))
    size = path.stat().st_size
    parts = tuple(Part(str(path), begin, min(begin + part, size)) for begin in range(0, size, part))
    return Source(str(path), roles, parts, 2 * size, shape, tuple(missing), multi)


def _looked(
    path: Path,
    roles: Roles | None,
    *,
    separator: str | None = None,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    quote: str | None = None,
    encoding: str = "utf-8",
    **others: Any,
) -> tuple[Shape, Roles]:
    return look(path, roles, separator, header, columns, quote, encoding)


def _plain(path: Path, options: Mapping[str, Any]) -> bool:
    """Whether a text can be read from any byte on."""
    if not path.is_file() or options.get("encoding", "utf-8") not in ("utf-8", "ascii"):
        return False
    with path.open("rb") as file:
        head = file.read(6)
    return not any(head.startswith(magic) for magic in MAGIC)
