"""measure(): every runtime that takes a model, asked whether it answers as the model does, then timed beside it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from recprune import discover
from recprune.dispatch import which
from recprune.errors import ExtensionError
from recprune.evaluation.speed import Speed, compare_calls
from recprune.runtimes.asking import Columns, Compiled, agree

__all__ = ["BATCHES", "Measured", "calling", "compiled", "machine", "measure"]

BATCHES = (1, 64, 256, 4096)
TURNS = 8
"""Other rows in each call, as many times; then the first again."""


@dataclass(frozen=True, slots=True)
class Measured:
    """speeds: rows of a call -> runtime -> milliseconds. refused: runtime -> why it was not timed. machine: where."""

    speeds: Mapping[int, Mapping[str, Speed]]
    refused: Mapping[str, str]
    machine: str

    def fastest(self) -> dict[int, str]:
        """Rows of a call -> the runtime with the lowest median; of equal ones the first by name."""
        return {rows: min(sorted(found), key=lambda name: found[name].median) for rows, found in self.speeds.items()}


def measure(
    model: nn.Module,
    columns: Columns,
    *,
    batches: Sequence[int] = BATCHES,
    only: Sequence[str] = (),
    repeats: int = 200,
    seconds: float = 3.0,
    say: Callable[[str], None] = lambda words: None,
) -> Measured:
    """Time the runtimes side by side, in turn, with one thread; columns: rows to ask with, repeated where they are few.

    A runtime that does not take the model, or whose answers on these rows are not the model's up to rounding, is not
    timed. only: names of runtimes beside `eager`; all where none is said. repeats, seconds: as in `compare_speed`.
    Raises ExtensionError for a runtime that there is not, and for a model that does not answer even by itself.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ready, refused = compiled(model, columns, only=only, say=say)
        speeds = {}
        for rows in batches:
            say(f"{rows:,} rows a call")
            speeds[rows] = _timed(ready, columns, rows, repeats, seconds)
    finally:
        torch.set_num_threads(before)
    return Measured(speeds, refused, machine())


def compiled(
    model: nn.Module,
    columns: Columns,
    *,
    only: Sequence[str] = (),
    say: Callable[[str], None] = lambda words: None,
) -> tuple[dict[str, Compiled], dict[str, str]]:
    """Runtime -> the model as it runs it, for all that answer as the model does; runtime -> why it does not.

    only: as for `measure`; one of your own is named `package.module:Name`. Raises ExtensionError where it is eager that
    does not: nothing is left to compare with.
    """
    folder = sys.modules[__package__]
    own = [name for name in only if ":" in name]
    for name in only:
        _ = discover.load(folder, name) if name in own else discover.module(folder, name)
    names = [n for n in discover.names(folder) if n == "eager" or not only or n in only] + own
    ready: dict[str, Compiled] = {}
    refused: dict[str, str] = {}
    for name in names:
        say(name)
        try:
            ready[name] = discover.load(folder, name)(model, columns)
            agree(model, ready[name], columns)
        except ExtensionError as error:
            if name == "eager":
                raise ExtensionError(
                    f"eager, what others are compared with, is no runtime of this model: {error}", name=name
                ) from error
            ready.pop(name, None)
            refused[name] = str(error)
    return ready, refused


def machine() -> str:
    """Which processor this is, and which kernels run on it."""
    said = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        said = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, UnicodeDecodeError):
        said = platform.processor() or said
    return f"{said}, {which()}"


def _timed(
    ready: Mapping[str, Compiled], columns: Columns, rows: int, repeats: int, seconds: float
) -> dict[str, Speed]:
    calls = {name: calling(run, columns, rows) for name, run in ready.items()}
    return compare_calls(calls, rows, repeats=repeats, threads=1, seconds=seconds)


def calling(run: Compiled, columns: Columns, rows: int, different: int = TURNS) -> Callable[[], object]:
    """A call of so many rows, others with each; after so many `different` calls the first again."""

    def some(turn: int) -> list[NDArray[Any]]:
        return [np.resize(np.roll(c, -rows * turn, axis=0), (rows, *c.shape[1:])) for c in columns]

    turns: Iterator[Columns] = cycle([some(turn) for turn in range(different)])
    return lambda: run(next(turns))
