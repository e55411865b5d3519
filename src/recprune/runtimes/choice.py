"""chosen(): the runtime for each number of rows, as it was measured, where it runs here too."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import nn

from recprune import discover
from recprune.runtimes.asking import Answer, Columns, Compiled
from recprune.runtimes.measure import compiled

__all__ = ["Chosen", "chosen", "nearest"]


def nearest(sizes: Iterable[int], rows: int) -> int:
    """The size that is the fewest times larger or smaller than a number of rows."""
    return min(sizes, key=lambda n: abs(math.log(n / max(rows, 1))))


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """runs: rows of a call -> what is called with as many, or about as many. names: rows -> the runtime. refused:
    runtime -> why it is not taken, though it was chosen; eager is, in its place."""

    runs: Mapping[int, Compiled]
    names: Mapping[int, str]
    refused: Mapping[str, str]

    def __call__(self, columns: Columns) -> Answer:
        """What the model gives for these columns, by the runtime that was measured at the nearest number of rows."""
        return self.runs[nearest(self.runs, len(columns[0]))](columns)


def chosen(model: nn.Module, use: Mapping[int, str], columns: Columns) -> Chosen:
    """What runs a model by a record of runtimes. use: rows of a call -> runtime. columns: rows to compare answers on.

    A runtime that is not installed here, does not take the model, or answers otherwise, is not taken; nor is one that
    does not stand in the folder of runtimes, for no record decides what is imported.
    """
    there = discover.names(sys.modules[__package__])
    ready, refused = compiled(model, columns, only=sorted(set(use.values()) & set(there)) or ["eager"])
    refused |= {name: f"there is none of that name, but {', '.join(there)}" for name in set(use.values()) - set(there)}
    names = {rows: name if name in ready else "eager" for rows, name in use.items()}
    return Chosen({rows: ready[name] for rows, name in names.items()}, names, refused)
