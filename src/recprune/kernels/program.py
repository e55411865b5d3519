"""A program of steps, by what runs here: C or numpy, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recprune.dispatch import kernels
from recprune.errors import DataError
from recprune.kernels.slow_program import read_slowly, run_slowly
from recprune.kernels.steps import (
    Attend,
    Dot,
    Largest,
    Layer,
    LookBack,
    LookUp,
    Mean,
    Norm,
    Pairs,
    Product,
    Program,
    Recur,
    Spread,
    Standard,
    Step,
    Sum,
    Weigh,
    Window,
)
from recprune.kernels.stored import Stored

__all__ = ["KINDS", "Reader", "Runnable"]

Floats: TypeAlias = NDArray[np.float32]
KINDS = {"float32": 0, "int8": 2, "int4": 3, "product": 4}
"""How the C code counts what tables are made of."""


@dataclass(slots=True, eq=False)
class Runnable:
    """A program by what runs here: the C kernels of this machine, else numpy; one thread either way.

    Both give the same logits up to float32, in which they add up in another order.
    """

    program: Program
    native: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        found = kernels()
        if found is not None:
            self.native = compiled(self.program, *found)

    def __call__(self, columns: Sequence[NDArray[Any]]) -> Floats:
        """(rows,) logits. columns: (rows,) int64 or int32 ids, (rows, width) of those, or (rows,) float32 numbers.

        Raises DataError for another shape or type, and for an id that a table has not.
        """
        if self.native is None or not len(columns):  # which says what is missing
            return run_slowly(self.program, columns)
        out = np.empty(len(columns[0]), dtype=np.float32)
        self.native.run(tuple(columns), out)
        return out


@dataclass(slots=True, eq=False)
class Reader:
    """A program of sequences, whose columns are ids and their places, by what runs here; one thread either way.

    What stands in the last slot after the last row is what comes out. length: of a sequence.
    """

    program: Program
    length: int
    native: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        found = kernels()
        if found is not None:
            self.native = compiled(self.program, *found)

    def __call__(self, columns: Sequence[NDArray[Any]]) -> Floats:
        """(rows, width). columns: one, (rows, length) int64 or int32 ids, 0 in front. Places of id 0 are left out, in
        front alone where there is a `Recur` or a masked `Window`, nowhere where there is one that is not masked; the
        last is none of them.

        Raises DataError for another shape or type, an id that a table has not, and a sequence that ends with 0.
        """
        (sequences,) = columns
        if sequences.ndim != 2 or sequences.shape[1] != self.length or sequences.dtype.kind != "i":
            raise DataError(f"sequences are {sequences.shape} of {sequences.dtype}, not (rows, {self.length}) ids")
        if not bool(sequences[:, -1].all()):
            raise DataError("a sequence ends with no item")
        if self.native is None:
            return read_slowly(self.program, sequences)
        out = np.empty((len(sequences), self.program.widths[-1]), dtype=np.float32)
        self.native.read(np.ascontiguousarray(sequences), out)
        return out


def compiled(program: Program, native: Any, level: int) -> Any:
    """The program as the C code takes it. Raises DataError where its steps do not fit each other."""
    types = bytes({"id": ord("l"), "ids": ord("b"), "number": ord("f")}[kind] for kind in program.columns)
    steps = tuple(_told(step) for step in program.steps)
    return native.Program(level, types, np.array(program.widths, dtype=np.int64), program.bias, steps)


def _told(step: Step) -> tuple[Any, ...]:
    match step:
        case LookUp():
            return 0, step.column, step.offset, step.into, step.at, *_table(step.table)
        case Mean():
            return 1, step.column, 0, step.into, step.at, *_table(step.table)
        case Standard():
            return 2, step.columns, step.mean, step.scale, step.into, step.missing
        case Spread():
            return 3, step.slot, step.missing, step.into, step.at, step.weight, step.bias, step.gone
        case Layer():
            return (
                4,
                step.slot,
                step.into,
                step.first,
                step.plus,
                step.relu,
                step.times,
                step.tail,
                step.weight,
                step.bias,
            )
        case Pairs():
            return 5, step.slot, step.count, step.width
        case Dot():
            return 6, step.slot, step.weight
        case Product():
            return 7, step.slot, step.other, step.into
        case Attend():
            places = step.query, step.key, step.value, step.rest, step.into
            return 8, *places, step.count, step.heads, step.width
        case Sum():
            return 9, step.slot, step.other, step.into
        case Norm():
            return 10, step.slot, step.into, step.tail, step.relu, step.least, step.weight, step.bias
        case LookBack():
            return 11, step.query, step.key, step.value, step.into, step.heads, step.width, step.longest, step.tail
        case Recur():
            return 12, step.slot, step.into, step.longest, step.weight
        case Window():
            return 13, step.slot, step.into, step.count, step.apart, step.longest, step.masked, step.tail
        case Largest():
            return 14, step.slot, step.into, step.at, step.first, step.longest
        case Weigh():
            return 15, step.slot, step.into, step.at, step.weight, step.bias


def _table(table: Stored) -> tuple[Any, ...]:
    if table.kind not in KINDS:
        raise DataError(f"rows of {table.kind} are not looked up in C")
    beside, edges = table.books or (table.scale, None)
    turn = None if table.turn is None else np.ascontiguousarray(table.turn.T)
    return KINDS[table.kind], table.columns, table.rows, beside, edges, turn
