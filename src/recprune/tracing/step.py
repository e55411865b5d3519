"""Step: one operation of a traced forward pass, as a structure sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from recprune.tracing.ledger import NEVER, Labels, Ledger

__all__ = ["Axes", "Source", "Step", "never"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the ids of an integer tensor come from.

    columns: names of inputs; one for a plain column, several where columns lie side by side on axis `dim`.
    pointer: the buffer of row offsets that was added, when a merged table is looked up.
    part: from where to where the columns of a matrix were taken; None where all of them were.
    negative: it says whether those ids are below 0, as code that counts them from the end asks.
    moved: a number was added to them.
    """

    columns: tuple[str, ...]
    dim: int | None = None
    pointer: str | None = None
    part: tuple[int, int] | None = None
    negative: bool = False
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Axes:
    """What is known of a tensor: a label for every position of every axis.

    zero[d]: at a position of axis d that left, the masked tensor holds exact zeros.
    """

    labels: tuple[Labels, ...]
    zero: tuple[bool, ...]
    source: Source | None = field(default=None)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(len(x) for x in self.labels)

    def pick(self, dims: Sequence[int]) -> Axes:
        """Those axes, in that order."""
        return Axes(tuple(self.labels[d] for d in dims), tuple(self.zero[d] for d in dims))

    def without(self, dims: Sequence[int]) -> Axes:
        """All axes but those."""
        return self.pick([d for d in range(len(self.labels)) if d not in dims])

    def nonzero(self) -> Axes:
        """The same axes where zeros did not survive."""
        return replace(self, zero=tuple(False for _ in self.zero), source=None)


def never(shape: Sequence[int]) -> Axes:
    """Axes that stay whole."""
    return Axes(tuple(np.full(n, NEVER, dtype=np.int64) for n in shape), tuple(True for _ in shape))


@dataclass(frozen=True)
class Step:
    """One ATen operation: its arguments, its output, and the ledger to write into.

    number: how many times this operation has run in the pass, this one included.
    """

    operation: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Any
    ledger: Ledger
    look: Callable[[Tensor], Axes]
    name_of: Callable[[Tensor], str | None]
    module: str
    averages: dict[tuple[str, int], Labels] = field(default_factory=dict)
    number: int = 0

    def average(self, labels: Labels, dim: int) -> None:
        """The operation averages over axis `dim` of its first argument: it is to do so over the units that stay."""
        if self.ledger.live(labels):
            self.averages[f"@{self.operation}#{self.number}", dim] = labels

    def arg(self, index: int, name: str, default: Any = None) -> Any:
        """An argument by its place or its name."""
        return self.args[index] if len(self.args) > index else self.kwargs.get(name, default)

    def axes_of(self, index: int, name: str = "") -> Axes:
        """The axes of a tensor argument."""
        return self.look(self.arg(index, name))

    def dims(self, index: int, name: str = "dim", rank: int | None = None) -> tuple[int, ...]:
        """A dim argument, one or several, counted from the front; all dims where it is None or empty."""
        rank = len(self.axes_of(0).labels) if rank is None else rank
        value = self.arg(index, name)
        if value is None or (isinstance(value, list | tuple) and not value):
            return tuple(range(rank))
        return tuple(d % max(rank, 1) for d in (value if isinstance(value, list | tuple) else [value]))

    def freeze(self, labels: Labels, because: str) -> None:
        """Keep an axis whole, and say why."""
        self.ledger.freeze(labels, f"{because} (in {self.module or 'forward'})")

    def merge(self, one: Labels, other: Labels, because: str = "it meets an axis that stays whole") -> Labels:
        """Two axes that meet position by position."""
        return self.ledger.merge(one, other, f"{because} (in {self.module or 'forward'})")

    def contract(self, a: Axes, i: int, b: Axes, j: int) -> None:
        """A sum over the product of axis i of a and axis j of b; one of them must be zero where units left."""
        self.merge(a.labels[i], b.labels[j])
        if not (a.zero[i] or b.zero[j]):
            self.freeze(a.labels[i], "it is summed over, and a unit that left would not add zero")
