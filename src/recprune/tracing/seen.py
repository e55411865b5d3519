"""Seen: what one watched forward pass has shown. The watch writes it, `build` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor, nn

from recprune.tracing.ledger import Labels, Ledger
from recprune.tracing.site import Absent
from recprune.tracing.step import Axes, Source

__all__ = ["Field", "Lookup", "Seen"]


@dataclass(frozen=True, slots=True)
class Field:
    """An input column that can leave: its node, its name, the row offsets that it was looked up with, or the means
    that were taken off its numbers."""

    node: int
    column: str
    pointer: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """One look-up of a table by ids of known or unknown source."""

    table: str
    source: Source | None


@dataclass
class Seen:
    """inputs: the example, laid flat. axes: tensor of the model -> its axes. readers: tensor -> what reads it.
    averages: ("@operation#number", axis) -> the labels that the operation averages over. item_item: square Linear
    modules between an input and the output. answers: (tensor of the output, axis) -> its labels, where they are rows of
    tables that are looked up. absent: what would stand for the columns of a mapping. read: the inputs
    that forward reads. fixed: input column -> why its ids keep their numbers. compared: columns whose ids are compared.
    """

    model: nn.Module
    inputs: Mapping[str, Tensor]
    absent: Mapping[str, Absent] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    axes: dict[str, Axes] = field(default_factory=dict)
    readers: dict[str, set[str]] = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    item_item: list[str] = field(default_factory=list)
    averages: dict[tuple[str, int], Labels] = field(default_factory=dict)
    answers: dict[tuple[str, int], Labels] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    fixed: dict[str, str] = field(default_factory=dict)
    compared: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)

    def rows_of(self, labels: Labels) -> tuple[str, ...]:
        """The tables that are looked up and whose rows an axis is, row by row, as long as all of them may leave."""
        nodes = self.ledger.alone(labels)
        if nodes is None:
            return ()
        tables = dict.fromkeys(lookup.table for lookup in self.lookups)
        rows = {table: self.ledger.alone(self.axes[table].labels[0]) for table in tables}
        return tuple(table for table, own in rows.items() if own is not None and np.array_equal(own, nodes))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(self.inputs)
