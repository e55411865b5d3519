"""Where parts are worked on, one way a file: found by its name, as in `recprune prepare --engine local`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

__all__ = ["Engine"]


class Engine(Protocol):
    """Works on numbered parts. Made as `NAME(workers)`, and used in a `with` block."""

    def __enter__(self) -> Engine: ...

    def __exit__(self, *error: object) -> None: ...

    def map(self, function: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
        """What the function makes of every number, in their order.

        A call may be made twice where a worker is lost: the function gives the same again, and writes files whole or
        not at all. What it raises is raised here.
        """
        ...

    def trials(self, function: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
        """The same of few parts that take long, each of which makes plain data."""
        ...
