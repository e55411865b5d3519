"""Samples of models that answer at every position of a sequence: one a window, all of its next items at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import parametrize

from recprune.data.dataset import Dataset, Histories
from recprune.data.sequences import sequences_before
from recprune.evaluation.inputs import device_of
from recprune.models._tied import TiedSequence
from recprune.training.draw import forgotten, sampler
from recprune.training.options import FitOptions
from recprune.training.positives import same_moments, sequence_length
from recprune.training.samples import Samples, checksum
from recprune.training.sharded import ShardedEmbedding
from recprune.training.softmax_of_all import Workspace, softmax_of_all, taught_softmax_of_all
from recprune.training.softmax_of_shards import softmax_of_shards
from recprune.training.softmax_of_some import softmax_of_some
from recprune.training.teacher import Teacher

__all__ = ["can_teach", "learns_all_positions", "position_samples", "windows"]

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
class _Windows:
    """shown and wanted (n, length): items, and what comes next at each place; lengths (n,): of what is there."""

    shown: Tensor
    wanted: Tensor
    lengths: Tensor

    def batch(self, rows: Tensor, unknown: float, generator: torch.Generator) -> tuple[_Windows, Tensor]:
        """Windows that hold those of a batch, and where they stand there; in what is shown that share is unknown."""
        if not unknown:
            return self, rows
        shown = forgotten(self.shown[rows], unknown, generator)
        return _Windows(shown, self.wanted[rows], self.lengths[rows]), torch.arange(len(rows))

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


def position_samples(
    model: Any, data: Dataset, loss: str, options: FitOptions, teacher: Teacher | None = None
) -> Samples:
    """One sample a window of a user's history; at each of its positions the next item is to be found. The windows of a
    batch are of any length, and those of about one length are computed together, without the padding that all of them
    have in front.

    Every position counts alike: the loss of a batch is its sum over the positions that a batch has in the mean, not
    over those that it has. Otherwise a position of a batch of short windows would move the model further than one of
    long ones, and what users with much history tell would hardly be heard.

    loss: "softmax" over all items, in blocks, without a score kept for any, or "sampled_softmax" over items drawn for
    the batch. The unknown item is neither an answer nor a rival. teacher: whose softmax over all items is learned too
    at every position (`can_teach`); it is shown every item.
    """
    histories, where = data.histories(), device_of(model)
    shown, wanted, moments = _windows(histories, sequence_length(model))
    lengths = shown.shape[1] - ((shown > 0) | (wanted > 0)).int().argmax(1)
    sum_of, all_ = checksum([shown, wanted]), _Windows(shown.to(where), wanted.to(where), lengths)
    if teacher is not None:
        learned = _taught(model, all_, teacher, _as_taught(data, teacher, moments).to(where), options.unknown)
        return Samples(len(shown), learned, sum_of)
    if loss == "softmax":
        return Samples(len(shown), _full(model, all_, options.unknown), sum_of)
    return Samples(len(shown), _sampled(model, all_, histories, options), sum_of)


def _full(model: Any, all_: _Windows, unknown: float) -> Loss:
    space = Workspace.on(all_.shown.device)

    def full(rows: Tensor, generator: torch.Generator) -> Tensor:
        found, target, items = _answers(model, *all_.batch(rows, unknown, generator))
        return all_.alike(_softmax(found, target, items, space), rows, len(target))

    return full


def _sampled(model: Any, all_: _Windows, histories: Histories, options: FitOptions) -> Loss:
    where = all_.shown.device
    (log_q, draw), space = sampler(histories, options.popularity, where), Workspace.on(where)

    def sampled(rows: Tensor, generator: torch.Generator) -> Tensor:
        found, target, items = _answers(model, *all_.batch(rows, options.unknown, generator))
        drawn, n = draw((options.negatives,), generator), len(target)
        both = torch.cat([target, drawn])
        some = items(both) if isinstance(items, ShardedEmbedding) else items[both]
        loss = softmax_of_some(found, some[:n], some[n:], log_q[drawn], (target, drawn), space)
        return all_.alike(loss, rows, n)

    return sampled


def _answers(model: Any, all_: _Windows, rows: Tensor) -> tuple[Tensor, Tensor, Tensor | ShardedEmbedding]:
    """(n, dim) states, (n,) targets, (n_items, dim); or the table that lies in shards."""
    with parametrize.cached():
        items = _parted(model) or model.catalogue()
        parts = all_.parts(rows, isinstance(items, ShardedEmbedding))
        return all_.states(model, all_.shown, parts), all_.targets(parts), items


def _taught(model: Any, all_: _Windows, teacher: Teacher, read: Tensor, unknown: float) -> Loss:
    """read: what is shown, in the codes of the teacher."""
    one, two, three = (Workspace.on(read.device) for _ in range(3))
    with torch.no_grad(), teacher.at_rest():
        catalogue = teacher.of_mine(teacher.model.catalogue().T).T.contiguous()

    def learned(rows: Tensor, generator: torch.Generator) -> Tensor:
        mine, places = all_.batch(rows, unknown, generator)
        parts = mine.parts(places)
        with torch.no_grad():
            said = mine.states(teacher.model, read if mine is all_ else read[rows], parts)
        with parametrize.cached():
            items, found = model.catalogue(), mine.states(model, mine.shown, parts)
        target = mine.targets(parts)
        total, n = found.new_zeros(()), len(target)
        for some in _blocks(n, len(items)):
            given, weigh = (said[some], catalogue), (teacher.share, teacher.temperature)
            loss = taught_softmax_of_all(found[some], items, target[some], given, *weigh, (one, two, three))
            total = total + len(target[some]) * loss
        return all_.alike(total / n, rows, n)

    return learned


def can_teach(teacher: Teacher, model: Any, loss: str) -> bool:
    """Whether a model learns what a teacher says at every position: over all items, both read as far back, and no table
    lies in shards."""
    both = teacher.model, model
    fit = loss == "softmax" and all(learns_all_positions(one) and _parted(one) is None for one in both)
    return fit and sequence_length(teacher.model) == sequence_length(model)


def _apart(rows: Tensor, lengths: Tensor, whole: bool) -> list[Tensor]:
    """The rows in the number of parts that costs least; one where all workers have to ask for the same."""
    order = lengths.argsort(stable=True)
    ways = [order.tensor_split(n) for n in PARTS[: 1 if whole else None] if n <= len(rows)]
    costs = [sum(len(part) * int(lengths[part].max()) + CALL for part in way) for way in ways]
    return [rows[part] for part in ways[costs.index(min(costs))]]


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


def _windows(histories: Histories, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """`windows` as int64, and the interaction that stands at each place of what is shown, counted from 1; 0: none."""
    places = replace(histories, items=np.arange(1, len(histories.items) + 1, dtype=np.int32), n_items=2**31 - 1)
    moments, later = windows(places, length)
    items = np.concatenate([[0], histories.items])
    shown, wanted = items[moments], items[later]
    some = (wanted > 0).any(1)
    first, second, third = (torch.from_numpy(part[some].astype(np.int64)) for part in (shown, wanted, moments))
    return first, second, third


def _as_taught(data: Dataset, teacher: Teacher, moments: Tensor) -> Tensor:
    """What is shown, in the codes of the teacher."""
    places = np.arange(len(data.histories().items))
    histories, where = same_moments(data, teacher.data, places)
    items = np.concatenate([[0], histories.items[where]])
    return torch.from_numpy(items.astype(np.int64))[moments]


def _blocks(rows: int, columns: int) -> list[slice]:
    """Of rows, whose scores are held at once."""
    step = max(1, BLOCK // columns)
    return [slice(begin, begin + step) for begin in range(0, rows, step)]


def _parted(model: Any) -> ShardedEmbedding | None:
    """The table that states are compared with, where its rows lie with many workers."""
    table = getattr(model, "item", None)
    plain = getattr(type(model), "catalogue", None) is TiedSequence.catalogue
    return table if plain and isinstance(table, ShardedEmbedding) else None


def _softmax(states: Tensor, target: Tensor, items: Tensor | ShardedEmbedding, space: Workspace) -> Tensor:
    """Mean cross-entropy over all items: states (n, dim), target (n,), items (n_items, dim)."""
    if isinstance(items, ShardedEmbedding):
        return softmax_of_shards(states, target, items, unknown=False).mean()
    total = states.new_zeros(())
    for some in _blocks(len(states), len(items)):
        rows = torch.arange(len(states[some]), device=states.device)
        total = total + len(rows) * softmax_of_all(states[some], items, rows, target[some], 1.0, space)
    return total / len(states)
