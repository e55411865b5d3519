"""log.toml: where a log lies, how it is read, and which column plays which part."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from recprune.data.address import Address, located
from recprune.data.dataset import Roles
from recprune.errors import DataError

__all__ = ["LogToml", "read_log_toml"]

MANY = ("categorical", "numeric", "multi", "of_item", "of_user")
KEYS = ("path", "format", "roles", "options", "bins")


@dataclass(frozen=True, slots=True)
class LogToml:
    """What a log.toml says. path: of the log, or its URL, or None; format: or None to guess; options: of that format;
    bins: numeric field -> most bins, "squared_log" or "distinct", for `prepare`."""

    path: Path | str | None = None
    format: str | None = None
    roles: Roles | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    bins: Mapping[str, int | str] = field(default_factory=dict)


def read_log_toml(path: str | Path) -> LogToml:
    """Read a description like this one, in which everything may be left out:

        path = "ratings.csv.gz"     # beside this file, or a URL
        format = "delimited"
        [roles]
        user = "userId"
        item = "movieId"
        rating = "rating"
        time = "timestamp"
        categorical = ["city"]
        positive = "rating >= 4"
        [options]                   # those of the format
        separator = "::"
        [bins]                      # numeric fields that become categorical ones
        age = 10
        visits = "squared_log"

    Raises DataError where it is no TOML, or names something that there is not.
    """
    path = Path(path)
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}", path=str(path)) from error
    known(path, said, KEYS, "key")
    where, kind, options, bins = said.get("path"), said.get("format"), said.get("options", {}), said.get("bins", {})
    tables = isinstance(options, dict) and isinstance(bins, dict)
    if not all(text is None or isinstance(text, str) for text in (where, kind)) or not tables:
        raise DataError(f"{path}: path and format are texts, options and bins tables", path=str(path))
    roles = roles_from(path, said["roles"]) if "roles" in said else None
    there = located(where, path.parent) if where else None
    return LogToml(there.text if isinstance(there, Address) else there, kind, roles, options, bins)


def roles_from(path: Path, said: Any) -> Roles:
    """The table `roles`. A single name may stand where a list is meant."""
    if not isinstance(said, dict):
        raise DataError(f"{path}: roles is a table: [roles]", path=str(path))
    known(path, said, [f.name for f in fields(Roles)], "role")
    parts: dict[str, Any] = {}
    for name, value in said.items():
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise DataError(f"{path}: the role {name} names columns, not {value!r}", path=str(path), role=name)
        if name not in MANY and len(values) != 1:
            raise DataError(f"{path}: the role {name} names one column, not {len(values)}", path=str(path), role=name)
        parts[name] = tuple(values) if name in MANY else values[0]
    return Roles(**parts)


def known(path: Path, said: Mapping[str, Any], names: Any, word: str) -> None:
    """Raises DataError for a name that means nothing here."""
    for name in said:
        if name not in names:
            raise DataError(f"{path}: no {word} {name!r}; there are: {', '.join(names)}", path=str(path), name=name)
