"""In this process, one part after the other: memory is that of one part, and polars uses the cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from recprune.errors import DataError

__all__ = ["Local"]


@dataclass(frozen=True, slots=True)
class Local:
    """One worker, which is this process. Raises DataError where more are asked for."""

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers != 1:
            raise DataError(f"the engine local is one process, not {self.workers}: take the engine ray for more")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def map(self, function: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
        """What the function makes of every number, in their order."""
        return map(function, numbers)

    def trials(self, function: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
        """The same."""
        return map(function, numbers)
