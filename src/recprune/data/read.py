"""read: what recprune knows, files, databases and storages, as a log; read_parts: train, validation and test apart."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recprune.data import formats
from recprune.data.address import DATABASES, Address, located
from recprune.data.dataset import Roles
from recprune.data.guess import completed, guess_roles
from recprune.data.log import Log
from recprune.data.logtoml import read_log_toml
from recprune.data.recognise import parts_of, recognise
from recprune.data.storage import copied
from recprune.discover import load
from recprune.errors import DataError

__all__ = ["read", "read_completed", "read_parts"]


def read(path: str | Path, format: str | None = None, roles: Roles | None = None, **options: Any) -> Log:
    """A log from a file, a folder, a database or an object storage.

    path: of a file or a folder, or a URL: `postgresql://host/database`, `sqlite:///log.db`, `duckdb:///log.duckdb`
    (with the options `query` or `table`), or one of files that fsspec reads, such as `s3://bucket/logs/`, which are
    copied to a temporary folder. format: the name of a file in `recprune.data.formats`, or somebody's own
    `package.module:read`; None recognises it (`recognise` says by what). roles: which column plays which part; None
    takes what the format or well-known column names suggest. options: those of the format; where one takes several
    values, "a,b" says two. A `log.toml` as path says all of this itself; what is said here goes before.
    Raises DataError where nothing is recognised, for an option that the format has not, for a URL with a password in
    it, and what the format raises; ExtensionError for a format that there is not, and for a package that is missing.
    """
    there = located(path)
    if isinstance(there, Address):
        return from_address(there, format, roles, options)
    if there.suffix == ".toml":
        said = read_log_toml(there)
        if said.path is None:
            raise DataError(f'{path} names no path to a log: add path = "..."', path=str(path))
        return read(said.path, format or said.format, roles or said.roles, **{**said.options, **options})
    if format is None:
        there, format, found = recognise(there)
        options = {**found, **options}
    return by_format(there, format, roles, options)


def read_completed(path: str | Path, format: str | None = None, roles: Roles | None = None, **options: Any) -> Log:
    """As `read`; and where roles are said, but neither a label nor a user and an item, those of user, item, rating,
    label and time that are not said are what the log suggests. Files of a storage are copied once; of a database the
    names of the columns are asked first."""
    there = located(path)
    if isinstance(there, Address) and there.format is None:
        copy = copied(there)
        with copy.told():
            return copy.of(read_completed(copy.path, format, roles, **options))
    if roles is not None and not (roles.label or (roles.user and roles.item)):
        roles = completed(roles, suggested(path, format, **options))
    return read(path, format, roles, **options)


def suggested(path: str | Path, format: str | None = None, **options: Any) -> Roles:
    """The roles that a log suggests; of a database no row is read for it."""
    there = located(path)
    if isinstance(there, Path) and there.suffix == ".toml":
        said = read_log_toml(there)
        if said.roles is None and said.path is not None:
            return suggested(said.path, format or said.format, **{**said.options, **options})
        return said.roles or Roles()
    kind = format or (there.format if isinstance(there, Address) else recognise(there)[1])
    if kind in DATABASES.values():
        return guess_roles(read(path, format, Roles(), **options).frame.collect_schema().names(), [], header=True)
    return read(path, format, None, **options).roles


def from_address(address: Address, format: str | None, roles: Roles | None, options: Mapping[str, Any]) -> Log:
    """A log from a server, or from files of a storage, which are copied first."""
    if address.format is not None:
        return by_format(address.text, format or address.format, roles, options)
    copy = copied(address)
    with copy.told():
        return copy.of(read(copy.path, format, roles, **options))


def by_format(path: str | Path, format: str, roles: Roles | None, options: Mapping[str, Any]) -> Log:
    """What the reader of a format makes of it. Raises DataError where that is no log."""
    reader = load(formats, format)
    log = reader(path, roles, **understood(format, reader, options))
    if not isinstance(log, Log):
        raise DataError(f"format {format!r} gave {type(log).__name__}, expected a Log", format=format)
    return log


def read_parts(
    path: str | Path, format: str | None = None, roles: Roles | None = None, **options: Any
) -> Mapping[str, Log]:
    """The parts of a split that somebody else made: "train", "test" and, where it is there, "valid".

    path: a folder, or the URL of one, with one file for each part, whose name has the word train, test, valid,
    validation or dev in it. Made for `split_given`. Of formats with an option `name` (sessions, msweb) it is the part,
    so that the first session of train is not the first one of test. Raises DataError where train or test is missing or
    stands there twice, and for a database, which has no files.
    """
    there = located(path)
    if isinstance(there, Address):
        if there.format is not None:
            raise DataError(f"{there}: a database holds no files called train and test", path=there.text)
        copy = copied(there)
        with copy.told():
            return {part: copy.of(log) for part, log in read_parts(copy.path, format, roles, **options).items()}
    logs = {}
    for part, file in parts_of(there).items():
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
