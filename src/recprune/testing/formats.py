"""The contract of a data format."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl

from recprune.data.intern import columns_with_a_role
from recprune.data.log import Log
from recprune.errors import DataError

__all__ = ["Sample", "check_format"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A tiny input of a format. files: name -> content. path: what is read, relative to where they are written ("" is
    the folder itself). rows, rejected: how many rows are used and how many stand aside. options: of `read`.
    """

    files: Mapping[str, bytes]
    path: str
    rows: int
    rejected: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


def check_format(module: ModuleType, folder: Path, sample: Sample | None = None) -> None:
    """Assert that a format file offers `read(path, roles=None, ...) -> Log` and keeps the contract:

    a path that is not there, an empty file, an empty folder: DataError that names the path. Bytes without sense: a
    DataError, or a log that has them aside. Nothing is written beside the input. Where there is a sample, its rows are
    read, with ids as strings, the same twice; its bad lines stand aside, counted by reason.
    folder: an empty place to write to.
    """
    name = module.__name__
    read = getattr(module, "read", None)
    assert callable(read), f"{name}: no function `read`"
    parameters = list(inspect.signature(read).parameters)
    assert parameters[:2] == ["path", "roles"], f"{name}: read takes path and roles first, not {parameters[:2]}"
    assert read.__doc__, f"{name}: read has no docstring"
    for path in _useless(folder):
        _check_refused(module, path)
    _check_garbage(module, folder)
    if sample is not None:
        _check_sample(module, folder / "sample", sample)


def _useless(folder: Path) -> tuple[Path, Path, Path]:
    empty, nothing = folder / "empty.txt", folder / "nothing"
    empty.write_bytes(b"")
    nothing.mkdir()
    return folder / "not-there.txt", empty, nothing


def _check_refused(module: ModuleType, path: Path) -> None:
    try:
        module.read(path).frame.collect()
    except DataError as error:
        told = str(error)
    else:
        raise AssertionError(f"{module.__name__}: {path.name} is read as a log; it is a DataError")
    assert path.name in told, f"{module.__name__}: the refusal of {path.name} does not name it: {told}"


def _check_garbage(module: ModuleType, folder: Path) -> None:
    path = folder / "garbage.bin"
    path.write_bytes(b"\xff\xfe\x00\x80 \xc3\x28\n\x00\n\xf0\x9f\n" * 3)
    try:
        log = module.read(path)
        rows = len(log)
    except DataError:
        return
    aside = len(log.rejected)
    assert aside > 0, f"{module.__name__}: bytes without sense are read as {rows} rows and none stands aside"


def _check_sample(module: ModuleType, folder: Path, sample: Sample) -> None:
    name = module.__name__
    for file, content in sample.files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
    before = sorted(folder.rglob("*"))
    log, again = (module.read(folder / sample.path, **sample.options) for _ in range(2))
    assert isinstance(log, Log), f"{name}: read gives {type(log).__name__}, not a Log"
    assert len(log) == sample.rows, f"{name}: {len(log)} rows of the sample are used, expected {sample.rows}"
    assert columns_with_a_role(log.roles), f"{name}: no column of the sample has a role"
    assert len(log.rejected) == sample.rejected, f"{name}: {log.rejected.counts}, expected {sample.rejected} rows aside"
    frame = log.frame.collect()
    assert frame.equals(again.frame.collect()), f"{name}: read twice, the sample gives two logs"
    for column in (log.roles.user, log.roles.item):
        dtype = frame.schema[column] if column else pl.String()
        assert dtype in (pl.String, pl.Categorical), f"{name}: ids of {column!r} are {dtype}, not strings"
    aside = log.rejected.rows.collect()
    assert len(aside) == sample.rejected, f"{name}: {sample.rejected} rows are counted and {len(aside)} stand aside"
    assert sorted(folder.rglob("*")) == before, f"{name}: read writes beside its input"
