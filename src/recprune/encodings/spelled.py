"""An encoding as one writes it: "int8_rows", "top_entries(k=8)", "their.package:Name(seed=3)"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recprune import discover, encodings
from recprune.encodings.codes import Codes
from recprune.errors import ExtensionError

__all__ = ["Encoding", "name_of", "of_entries", "spelled"]

_TEXT = re.compile(r"([\w.:]+)(?:\((\w+=-?\d+(?:,\s*\w+=-?\d+)*)\))?", re.ASCII)
"""A name, then whole numbers by name."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A way to store a matrix: the class of its codes, and options.

    used: (rows,) how often each row is looked up, for a class that weighs rows (`Codes.weighs`); None: all alike.
    """

    name: str
    kind: type[Codes]
    options: Mapping[str, int] = field(default_factory=dict)
    used: Tensor | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        said = ",".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.name}({said})" if said else self.name

    def encode(self, matrix: Tensor) -> Codes:
        """Codes of a matrix. Raises SurgeryError for one that cannot be coded."""
        return self.kind.encode(matrix, **self._told())

    def nearest(self, matrix: Tensor, kept: Any = None) -> tuple[Tensor, Any]:
        """The matrix once it was encoded and decoded, and what may be kept for the next time (`Codes.nearest`)."""
        value, kept = self.kind.nearest(matrix.flatten(1), kept, **self._told())
        return value.reshape(matrix.shape), kept

    def _told(self) -> dict[str, Any]:
        """Options, and how often rows are looked up where that is known and weighed."""
        return {**self.options, "used": self.used} if self.used is not None and self.kind.weighs else {**self.options}

    def stored_bytes(self, shape: Sequence[int], value_bytes: int = 4) -> int:
        """Bytes that a (rows, columns) matrix takes, whose entries took `value_bytes` each."""
        return self.kind.stored_bytes(shape, value_bytes, **self.options)

    def stored_entries(self, shape: Sequence[int]) -> int:
        """Entries that are stored of it."""
        return self.kind.stored_entries(shape, **self.options)

    def for_entries(self, stays: NDArray[np.bool_]) -> Encoding | None:
        """The same for a matrix of which some entries stay, where nothing else was said. stays: (rows, columns) bool.

        An encoding of k entries a row gets as many as stay in the fullest row, one of a number of entries as many as
        stay; None for one that stores all.
        """
        said = {"entries": int(stays.sum()), "k": int(stays.reshape(len(stays), -1).sum(1).max())}
        told = {name: value for name, value in said.items() if name in self.kind.known}
        return replace(self, options={**told, **self.options}) if told else None


def spelled(text: str) -> Encoding:
    """The encoding that a text names. Raises ExtensionError for one that there is not, or for another text."""
    return _looked_up(text) if ":" in text else _of_ours(text)


def of_entries(text: str, entries: int) -> Encoding:
    """The encoding that a text names, of so many entries."""
    found = spelled(text)
    return replace(found, options={**found.options, "entries": entries})


@lru_cache(256)
def _of_ours(text: str) -> Encoding:
    """The folder does not change; a class of one's own may be another one under the same name."""
    return _looked_up(text)


def _looked_up(text: str) -> Encoding:
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise ExtensionError(f"{text!r} is no encoding; written are a name and whole numbers, as in top_entries(k=8)")
    name, said = found.groups()
    kind = discover.load(encodings, name)
    if not (isinstance(kind, type) and issubclass(kind, Codes)):
        raise ExtensionError(
            f"{name!r} stores no matrix as codes; item_item is for entries that leave by a plan",
            name=name,
        )
    pairs = [part.split("=") for part in re.split(r",\s*", said or "") if part]
    encoding = Encoding(name, kind, {option: int(value) for option, value in pairs})
    if len(encoding.options) < len(pairs) or any(number >= 2**63 for number in encoding.options.values()):
        raise ExtensionError(f"{text!r} is no encoding: an option stands there once, and is below 2^63", name=name)
    unknown = sorted(encoding.options.keys() - kind.known)
    if unknown:
        there = ", ".join(sorted(kind.known)) or "none"
        raise ExtensionError(f"{name} has no option {unknown[0]!r}; there are: {there}", name=name, option=unknown[0])
    return encoding


def name_of(kind: type[Codes]) -> str:
    """The name of a class of codes: that of its file here, or package.module:Name."""
    package, _, name = kind.__module__.rpartition(".")
    return name if package == encodings.__name__ else f"{kind.__module__}:{kind.__qualname__}"
