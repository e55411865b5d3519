"""The next piece is made while the last one is being used."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead"]

T = TypeVar("T")
END = object()


def ahead(items: Iterator[T]) -> Generator[T]:
    """The same items in the same order, each made in a thread while its user is busy with the one before.

    Worth it where the making leaves Python to others: unpacking, numpy, polars. One item more than usual is in memory.
    What the making raises is raised here; whoever stops early waits for one item at most.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="recprune-ahead") as pool:
        coming = pool.submit(next, items, END)
        while (item := coming.result()) is not END:
            coming = pool.submit(next, items, END)
            yield item  # type: ignore[misc]
