"""What can leave a model: pure data, made by `survey`, read by everybody else."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLAT", "Absent", "Cut", "Kind", "Site", "Survey"]

FLAT = -1
"""`Cut.dim` of an entry: the position in the flattened tensor."""


class Kind(enum.StrEnum):
    """What a unit is. FIELD, ID and DIM are feature pruning; NEURON, FILTER, HEAD and ENTRY are network pruning."""

    FIELD = "field"
    ID = "id"
    DIM = "dim"
    NEURON = "neuron"
    FILTER = "filter"
    HEAD = "head"
    ENTRY = "entry"


@dataclass(frozen=True, slots=True)
class Cut:
    """One tensor that gets shorter when units of a site leave.

    Unit `i` takes the entries `start + i * width` up to `start + (i + 1) * width` of axis `dim`.
    """

    tensor: str
    dim: int
    start: int = 0
    width: int = 1

    def positions(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        """Entries of the axis that those units take, unit by unit."""
        return (self.start + units[:, None] * self.width + np.arange(self.width)).ravel()


@dataclass(frozen=True, slots=True)
class Absent:
    """What stands in a mapping of the inputs in the place of a column that left: zeros that nothing reads.

    path: where it stood, from the number or name of the argument to its key. keys: of that mapping, in their order.
    shape: of the example but for the rows. like: keys beside it of the very same shape, whose shape it takes.
    """

    path: tuple[str | int, ...]
    keys: tuple[str, ...]
    shape: tuple[int, ...]
    like: tuple[str, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Site:
    """Units that can leave, and everything that must leave with them.

    `column` is, for ids, the dataset column whose vocabulary shrinks along, and for fields the input column that goes;
    `also` names further columns that are looked up in the same rows: ids leave all of `columns` at once.
    `fallback` is, for ids, the row of the first cut's tensor that answers for an id that left; for a field of which one
    row stays as well.
    `averaged` names operations of the forward pass that average over an axis of these units, as layer norm and softmax
    do ("@aten._softmax.default#2" is the second softmax): the masked model averages over the units that stay.
    `attributes` are whole numbers of modules that hold the site's width ("block.0.head_dim") and are set to what stays.
    `rescaled` names the tensors to multiply by sqrt(kept / size), where attention divides by the square root of the
    width that is left, so that its scores stay as they were.
    `absent` is, for fields of a mapping, what forward is given when their column does not come any more.
    `matrix` is, for the stored entries of a sparse matrix, (rows, columns) of it; its values are of the first cut.
    `where` says, beside it, where rows of the matrix start and the column of each value, as long as the model is at
    hand: a survey that was read from a file lacks it.
    `answers` are axes of what forward gives back on which the units stand ("@output#0" is its first tensor), as items
    do that are read and found in one table: what leaves is read as the fall-back row and is no answer any more.
    """

    name: str
    kind: Kind
    size: int
    cuts: tuple[Cut, ...]
    column: str | None = None
    fallback: int | None = None
    averaged: tuple[Cut, ...] = ()
    attributes: tuple[str, ...] = ()
    rescaled: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    absent: Absent | None = None
    matrix: tuple[int, int] | None = None
    answers: tuple[Cut, ...] = ()
    where: tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]] | None = field(
        default=None, compare=False, repr=False
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """`column` and `also`."""
        return (() if self.column is None else (self.column,)) + self.also


@dataclass(frozen=True, slots=True)
class Survey:
    """All sites of a model, and a word on every axis that stays whole.

    shapes, bytes_per_entry: of every parameter and buffer, by its name in `state_dict`.
    features: tensors that are looked up by ids (their entries are counted as P, all others as Q).
    buffers: tensors that are not learned.
    whole: what was left whole -> the reason.
    pointers: integer buffer -> the tensor whose rows its values count (offsets of a merged table).
    fingerprint: names and shapes of the model that it was made from.
    columns: the names of the input tensors, in the order in which they stand in the example.
    types: of every tensor its type, as in "float32"; old plans lack it.
    """

    sites: tuple[Site, ...]
    shapes: Mapping[str, tuple[int, ...]]
    bytes_per_entry: Mapping[str, int]
    whole: Mapping[str, str]
    fingerprint: str
    features: frozenset[str] = frozenset()
    buffers: frozenset[str] = frozenset()
    pointers: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)

    def site(self, name: str) -> Site:
        """The site of that name. Raises KeyError."""
        for site in self.sites:
            if site.name == name:
                return site
        raise KeyError(name)
