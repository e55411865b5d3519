"""Refused: a file that is not read, and why; how it is said from the child to the parent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

__all__ = ["NAMES", "Refused", "by_name", "within"]

Value = TypeVar("Value")
NAMES = 100_000


class Refused(Exception):
    """A file that is not read. The message is shown as it stands."""


def by_name(found: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    """Name -> value. Raises Refused for a name that comes twice, and for more names than any model has."""
    made = dict[str, Value]()
    for name, value in found:
        if name in made:
            raise Refused(f"two tensors are called {name!r} in it: store them under names that stay apart")
        made[name] = value
        if len(made) > NAMES:
            raise Refused(f"it holds more than {NAMES:,} tensors, and no model has as many")
    return made


def within(total: int, cap: int, what: str) -> None:
    """Raise Refused where so many bytes would be unpacked."""
    if total > cap:
        raise Refused(f"{what} would take {total:,} bytes, and {cap:,} are allowed; --cap allows more")
