"""Stages that stand in a folder already are not done again."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from recprune.atomic import lock, standing, tidy, write_bytes
from recprune.errors import ArtifactError, DataError, RecpruneError

__all__ = ["alone", "forget", "key_of", "once", "readable"]

NOTES = "run.json"
Read = TypeVar("Read")


def key_of(made_from: object) -> str:
    """A checksum of what something is made from, as plain data, dataclasses and sets."""
    return hashlib.sha256(json.dumps(made_from, sort_keys=True, default=_plain).encode()).hexdigest()


def once(out: Path, place: Path, before: str, options: object, make: Callable[[str], None]) -> str:
    """Make what belongs at `place`, unless it stands there and was made from the same. Returns its key.

    `run.json` in `out` keeps the keys. A key comes from that of the stage before and from the options of this one;
    where the stage before has none, this one is made anew. While it is made the notes have no key of it, so that what
    was cut off is not taken for what stood there before. Notes that cannot be read are none. make: is told the key.
    """
    notes = out / NOTES
    keys = _read(notes)
    key = key_of([before, options]) if before else ""
    if not key or keys.get(place.name) != key or not standing(place).exists():
        if keys.pop(place.name, None) is not None:
            write_bytes(notes, json.dumps(keys, indent=1).encode())
        make(key)
        write_bytes(notes, json.dumps({**keys, place.name: key}, indent=1).encode())
    return key


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Be the only one whose stages are made in a folder, which is made where it is missing; locks that killed processes
    left are removed at the end. Raises ArtifactError where another process is, DataError where a file is in the way."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{out} cannot be a folder: a file is in the way; name another", path=str(out)) from error
    with lock(out / "run"):
        yield
        tidy(out)


def forget(folder: Path, pattern: str) -> None:
    """Remove checkpoints of such names, and what killed writes of them left."""
    for left in (*folder.glob(pattern), *folder.glob(f".{pattern}.*")):
        left.unlink(missing_ok=True)


def readable(place: Path, read: Callable[[str], Read]) -> Read:
    """What `read` makes of a file's text. Raises ArtifactError that names the file, and the way out, for one that a
    stage left and something has damaged since."""
    try:
        return read(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecpruneError) as error:
        raise ArtifactError(
            f"{place} cannot be read: {error}. Remove it, and the same call makes it again", path=str(place)
        ) from error


def _read(notes: Path) -> dict[str, str]:
    try:
        said = json.loads(notes.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return sorted(value) if isinstance(value, frozenset | set) else str(value)
