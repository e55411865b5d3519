"""Progress for people: one line a stage with its time, on stderr."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console

__all__ = ["stage"]


@contextlib.contextmanager
def stage(name: str) -> Iterator[Callable[[str], None]]:
    """Shows that a stage runs, and how long it took. What is given is called with words on how far it is."""
    console = Console(stderr=True, highlight=False)
    begin = time.perf_counter()
    last = ""
    with console.status(f"{name} …") as status:

        def say(words: str) -> None:
            nonlocal last
            last = words
            status.update(f"{name} … {words}")

        yield say
    console.print(f"[green]✓[/green] {name:<34} {time.perf_counter() - begin:6.1f} s  {last}", soft_wrap=True)
