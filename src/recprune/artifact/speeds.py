"""What ways to run a model took on a machine, and which one to use: kept beside the weights that were timed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from recprune.errors import ArtifactError
from recprune.plain_json import read_json

__all__ = ["Speeds", "Took"]

_FORMAT = 1
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
MOST = 64
"""Batch sizes, and runtimes of each, that a record holds."""


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds of a call: the median, and what 1 in 10 calls stayed below (low) and above (high)."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Speeds:
    """weights: sha256 of the weights file that was timed. machine: where. took: rows of a call -> runtime ->
    milliseconds, in turns, one thread. use: rows of a call -> the runtime to use, one of those that were timed."""

    weights: str
    machine: str
    took: Mapping[int, Mapping[str, Took]]
    use: Mapping[int, str]

    def to_json(self) -> str:
        """As text; `Speeds.from_json` gives it back."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Speeds:
        """A record from its text. Raises ArtifactError for text that is none."""
        try:
            said: Any = read_json(text)
            if said.pop("format") != _FORMAT:
                raise ValueError("it is of another format")
            took = {
                _rows(n): {str(name): Took(**one) for name, one in row.items()} for n, row in said.pop("took").items()
            }
            found = cls(took=took, use={_rows(n): name for n, name in said.pop("use").items()}, **said)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(f"this is no record of speeds: {type(error).__name__} {error}") from error
        if not _fits(found):
            raise ArtifactError("this is no record of speeds: a value is of the wrong kind")
        return found


def _rows(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text):
        raise ValueError(f"{text[:20]!r} is no number of rows")
    return int(text)


def _fits(found: Speeds) -> bool:
    texts = isinstance(found.weights, str) and isinstance(found.machine, str) and len(found.machine) <= 1000
    sizes = [len(found.took), *(len(row) for row in found.took.values())]
    names = all(NAME.fullmatch(name) for row in found.took.values() for name in row)
    numbers = [n for row in found.took.values() for one in row.values() for n in (one.median, one.low, one.high)]
    used = found.use.keys() == found.took.keys() and all(
        isinstance(name, str) and name in found.took[rows] for rows, name in found.use.items()
    )
    return texts and all(1 <= n <= MOST for n in sizes) and names and all(map(_positive, numbers)) and used


def _positive(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number < 1e12
