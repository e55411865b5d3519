"""Progress for people, on stderr: a bar with the time left while a stage runs, and one line a stage when it is done."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

__all__ = ["stage"]

COUNTED = re.compile(r"\b(\d[\d,]*)(?:/| of )(\d[\d,]*)\b")
"""How far a stage says that it is: "3/12", "4,096 of 24,000 users"."""


@contextlib.contextmanager
def stage(name: str) -> Iterator[Callable[[str], None]]:
    """Shows that a stage runs, how far it is, and how long it took. It yields what takes words on how far it is.

    Words that count ("epoch 3, loss 0.41, 3/12") move the bar, and the time that is left goes by its pace; training may
    end before. Nothing moves where stderr is no terminal.
    """
    console = Console(stderr=True, highlight=False)
    begin = time.perf_counter()
    last = ""
    shown = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(24), TimeRemainingColumn())
    bar = Progress(
        *shown, console=console, transient=True, disable=not console.is_terminal, get_time=lambda: time.perf_counter()
    )
    with bar:
        task = bar.add_task(f"{name} …", total=None)

        def say(words: str) -> None:
            nonlocal last
            last = words
            _move(bar, task, words)
            bar.update(task, description=f"{name} … {words}", refresh=True)

        yield say
    took = f" {name:<34} {time.perf_counter() - begin:6.1f} s  {last}"
    console.print(Text.assemble(("✓", "green"), took), soft_wrap=True)


def _move(bar: Progress, task: TaskID, words: str) -> None:
    """To where the words are; from the start again where they count something else."""
    found = COUNTED.search(words)
    if found is None:
        return
    done, whole = (int(number.replace(",", "")) for number in found.groups())
    then = bar.tasks[0]
    if then.total != whole or done < then.completed:
        bar.reset(task, total=whole)
    bar.update(task, completed=done)
