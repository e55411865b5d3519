"""read: any file or folder that recprune knows, as a log; read_parts: train, validation and test side by side."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recprune.data import formats
from recprune.data.dataset import Roles
from recprune.data.log import Log
from recprune.data.logtoml import read_log_toml
from recprune.data.recognise import parts_of, recognise
from recprune.discover import load
from recprune.errors import DataError

__all__ = ["read", "read_parts"]


def read(path: str | Path, format: str | None = None, roles: Roles | None = None, **options: Any) -> Log:
    """A log from a file or a folder.

    format: the name of a file in `recprune.data.formats`, or somebody's own `package.module:read`; None recognises it
    (`recognise` says by what). roles: which column plays which part; None takes what the format or well-known column
    names suggest. options: those of the format; where one takes several values, "a,b" says two. A `log.toml` as path
    says all of this itself; what is said here goes before.
    Raises DataError where nothing is recognised, for an option that the format has not, and what the format raises;
    ExtensionError for a format that there is not.
    """
    if Path(path).suffix == ".toml":
        said = read_log_toml(path)
        if said.path is None:
            raise DataError(f'{path} names no path to a log: add path = "..."', path=str(path))
        return read(said.path, format or said.format, roles or said.roles, **{**said.options, **options})
    where = Path(path)
    if format is None:
        where, format, found = recognise(where)
        options = {**found, **options}
    reader = load(formats, format)
    log = reader(where, roles, **understood(format, reader, options))
    if not isinstance(log, Log):
        raise DataError(f"format {format!r} gave {type(log).__name__}, expected a Log", format=format)
    return log


def read_parts(
    path: str | Path, format: str | None = None, roles: Roles | None = None, **options: Any
) -> Mapping[str, Log]:
    """The parts of a split that somebody else made: "train", "test" and, where it is there, "valid".

    path: a folder with one file for each part, whose name has the word train, test, valid, validation or dev in it.
    Made for `split_given`. Of formats with an option `name` (sessions, msweb) it is the part, so that the first session
    of train is not the first one of test. Raises DataError where train or test is missing or stands there twice.
    """
    logs = {}
    for part, file in parts_of(Path(path)).items():
        named = "name" in inspect.signature(load(formats, format or recognise(file)[1])).parameters
        log = read(file, format, roles, **{**({"name": f"{part} "} if named else {}), **options})
        logs[part] = replace(log, source=str(file))
    return logs


def understood(format: str, reader: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a format, text with commas as several values. Raises DataError for one that it has not."""
    known = {
        name: str(of.annotation)
        for name, of in inspect.signature(reader).parameters.items()
        if name not in ("path", "roles")
    }
    out = dict(options)
    for option, value in options.items():
        if option not in known:
            raise DataError(
                f"the format {format} has no option {option!r}; it has: {', '.join(known) or 'none'}",
                format=format,
                option=option,
            )
        if "Sequence[" in known[option]:
            out[option] = several(option, value, numbers="Sequence[int]" in known[option])
    return out


def several(option: str, value: Any, *, numbers: bool) -> Any:
    """The values of an option that takes several. Raises DataError where numbers are expected and text comes."""
    values = value.split(",") if isinstance(value, str) else value
    try:
        return [int(one) for one in values] if numbers and values is not None else values
    except (TypeError, ValueError):
        raise DataError(f"{option}: expected whole numbers parted by commas, not {value!r}", option=option) from None
