"""Windows of histories: what is shown, and what comes next at each position."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recprune.data.dataset import Histories
from recprune.data.sequences import sequences_before
from recprune.models._tied import TiedSequence
from recprune.training.draw import forgotten
from recprune.training.sharded import ShardedEmbedding

__all__ = ["Loss", "Windows", "blocks", "learns_all_positions", "parted", "windows", "windows_of"]

PARTS = (1, 2, 4)
"""Numbers of parts that a batch may be computed in, short windows apart from long ones."""
CALL = 1024
"""What computing a part costs beside its positions, in positions."""
BLOCK = 2**25
"""Scores that are held at once (128 MB)."""

Loss = Callable[[Tensor, torch.Generator], Tensor]
"""Of the windows of a batch."""

Parts = list[tuple[Tensor, int]]
"""Windows that are computed together, and the first place of the longest, from the end."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """shown and wanted (n, length): items, and what comes next at each place; lengths (n,): of what is there."""

    shown: Tensor
    wanted: Tensor
    lengths: Tensor

    def batch(self, rows: Tensor, unknown: float, generator: torch.Generator) -> tuple[Windows, Tensor]:
        """Windows that hold those of a batch, and where they stand there; in what is shown that share is unknown."""
        if not unknown:
            return self, rows
        shown = forgotten(self.shown[rows], unknown, generator)
        return Windows(shown, self.wanted[rows], self.lengths[rows]), torch.arange(len(rows))

    def alike(self, loss: Tensor, rows: Tensor, terms: int) -> Tensor:
        """A mean over the terms of a batch as their sum over the terms that a batch has in the mean."""
        each = float(torch.count_nonzero(self.wanted)) / max(len(self.wanted), 1)
        return loss * (terms / (each * len(rows)))

    def parts(self, rows: Tensor, whole: bool = False) -> Parts:
        """The rows of a batch, in parts of about one length; in one where all workers have to ask for the same."""
        apart = _apart(rows, self.lengths[rows], whole)
        return [(part, -int(self.lengths[part].max())) for part in apart]

    def states(self, model: Any, read: Tensor, parts: Parts) -> Tensor:
        """(places, dim): what a model that reads `read` looks for wherever something is wanted."""
        there = ((part, first, self.wanted[part, first:] > 0) for part, first in parts)
        return torch.cat([model.states(read[part, first:])[some] for part, first, some in there])

    def targets(self, parts: Parts) -> Tensor:
        """(places,) what comes next there."""
        found = [self.wanted[part, first:] for part, first in parts]
        return torch.cat([target[target > 0] for target in found])


def learns_all_positions(model: Any) -> bool:
    """True for a model of a sequence with `states` and `catalogue`, whose scores are the product of both."""
    return tuple(model.columns) == ("sequence",) and hasattr(model, "states") and hasattr(model, "catalogue")


def windows(histories: Histories, length: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """What is shown and what comes next at each position, both (n, length), oldest first, 0 in front.

    Every item of a user but the first comes next once; a history longer than `length` is cut from its end, so that
    only its first window is short. A window without a known item to find is left out.

    >>> windows(Histories(np.array([0, 4]), np.array([6, 7, 8, 9], dtype=np.int32), 10), 2)
    (array([[0, 6],
           [7, 8]], dtype=int32), array([[0, 7],
           [8, 9]], dtype=int32))
    """
    counts = np.diff(histories.starts)
    number = np.maximum(counts - 1 + length - 1, 0) // length
    number[counts < 2] = 0
    user = np.repeat(np.arange(len(counts)), number)
    left = np.repeat(np.cumsum(number), number) - 1 - np.arange(len(user))
    last = histories.starts[1:][user] - 1 - left * length
    shown = sequences_before(histories, last, length)
    wanted = np.concatenate([shown[:, 1:], histories.items[last][:, None]], 1)
    short = length - np.minimum(last - histories.starts[:-1][user], length)
    wanted[np.arange(length) < short[:, None]] = 0
    some = (wanted > 0).any(1)
    return shown[some], wanted[some].astype(np.int32)


def windows_of(histories: Histories, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """`windows` as int64, and the interaction that stands at each place of what is shown, counted from 1; 0: none."""
    places = replace(histories, items=np.arange(1, len(histories.items) + 1, dtype=np.int32), n_items=2**31 - 1)
    moments, later = windows(places, length)
    items = np.concatenate([[0], histories.items])
    shown, wanted = items[moments], items[later]
    some = (wanted > 0).any(1)
    first, second, third = (torch.from_numpy(part[some].astype(np.int64)) for part in (shown, wanted, moments))
    return first, second, third


def _apart(rows: Tensor, lengths: Tensor, whole: bool) -> list[Tensor]:
    """The rows in the number of parts that costs least; one where all workers have to ask for the same."""
    order = lengths.argsort(stable=True)
    ways = [order.tensor_split(n) for n in PARTS[: 1 if whole else None] if n <= len(rows)]
    costs = [sum(len(part) * int(lengths[part].max()) + CALL for part in way) for way in ways]
    return [rows[part] for part in ways[costs.index(min(costs))]]


def blocks(rows: int, columns: int) -> list[slice]:
    """Of rows, whose scores are held at once."""
    step = max(1, BLOCK // columns)
    return [slice(begin, begin + step) for begin in range(0, rows, step)]


def parted(model: Any) -> ShardedEmbedding | None:
    """The table that states are compared with, where its rows lie with many workers."""
    table = getattr(model, "item", None)
    plain = getattr(type(model), "catalogue", None) is TiedSequence.catalogue
    return table if plain and isinstance(table, ShardedEmbedding) else None
