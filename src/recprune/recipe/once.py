"""Stages that stand in a folder already are not done again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from recprune.atomic import write_bytes

__all__ = ["key_of", "once"]

NOTES = "run.json"


def key_of(made_from: object) -> str:
    """A checksum of what something is made from, as plain data, dataclasses and sets."""
    return hashlib.sha256(json.dumps(made_from, sort_keys=True, default=_plain).encode()).hexdigest()


def once(out: Path, place: Path, before: str, options: object, make: Callable[[str], None]) -> str:
    """Make what belongs at `place`, unless it stands there and was made from the same. Returns its key.

    `run.json` in `out` keeps the keys. A key comes from that of the stage before and from the options of this one;
    where the stage before has none, this one is made anew. While it is made the notes have no key of it, so that what
    was cut off is not taken for what stood there before. make: is told the key.
    """
    notes = out / NOTES
    keys = json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}
    key = key_of([before, options]) if before else ""
    if not key or keys.get(place.name) != key or not place.exists():
        if keys.pop(place.name, None) is not None:
            write_bytes(notes, json.dumps(keys, indent=1).encode())
        make(key)
        write_bytes(notes, json.dumps({**keys, place.name: key}, indent=1).encode())
    return key


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return sorted(value) if isinstance(value, frozenset | set) else str(value)
