"""Samples of models that rank items for a user or a sequence: one a positive interaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Dataset, Histories
from recprune.data.sequences import sequences_before
from recprune.errors import TrainingError
from recprune.evaluation.inputs import device_of
from recprune.models._factors import Factors
from recprune.training import losses, soft_losses
from recprune.training.draw import forgotten, sampler
from recprune.training.options import FitOptions
from recprune.training.samples import Samples, checksum
from recprune.training.sharded import ShardedEmbedding
from recprune.training.softmax_of_shards import softmax_of_shards
from recprune.training.teacher import Teacher

__all__ = ["positive_samples", "same_moments", "sequence_length"]

Inputs = list[Tensor]


def positive_samples(
    model: Any, data: Dataset, loss: str, options: FitOptions, teacher: Teacher | None = None
) -> Samples:
    """One sample a positive interaction: the user, what came before it, and the item to find.

    loss: "softmax" over all items, or over some drawn for the batch ("sampled_softmax"), or "bpr". A teacher sees the
    same moments in its own codes, with every code in its place. Raises TrainingError where the model cannot score a few
    items.
    """
    histories = data.histories()
    places = _places(model, histories)
    inputs, target = _inputs(model, histories, places), torch.from_numpy(histories.items[places].astype(np.int64))
    shown = [] if teacher is None else _inputs(teacher.model, *same_moments(data, teacher.data, places))
    sum_of, where = checksum([*inputs, target]), device_of(model)
    inputs, shown, target = [i.to(where) for i in inputs], [i.to(where) for i in shown], target.to(where)

    def asked(rows: Tensor, generator: torch.Generator) -> Inputs:
        return [forgotten(i[rows], options.unknown, generator) for i in inputs]

    if loss == "softmax":

        def full(rows: Tensor, generator: torch.Generator) -> Tensor:
            read = asked(rows, generator)
            if teacher is None and type(model).forward is Factors.forward and isinstance(model.item, ShardedEmbedding):
                return softmax_of_shards(model.query(*read), target[rows], model.item, model.bias).mean()
            scores = model(*read)
            hard = losses.softmax(scores, target[rows])
            if teacher is None:
                return hard
            taught = teacher.scores([i[rows] for i in shown])
            return teacher.mixed(hard, soft_losses.softmax(scores, taught, teacher.temperature))

        return Samples(len(target), full, sum_of)
    if not (hasattr(model, "query") and hasattr(model, "match")):
        raise TrainingError(f"the loss {loss!r} needs the methods `query` and `match`; use 'softmax'", loss=loss)
    log_q, draw = sampler(histories, options.popularity, where)

    def pairwise(rows: Tensor, generator: torch.Generator) -> Tensor:
        query, drawn = model.query(*asked(rows, generator)), draw((len(rows), options.negatives), generator)
        items = torch.cat([target[rows, None], drawn], 1)
        scores = model.match(query, items)
        hard = losses.bpr(scores[:, 0], scores[:, 1:])
        if teacher is None:
            return hard
        taught = teacher.scores([i[rows] for i in shown], items)
        soft = soft_losses.bpr(scores[:, 0], scores[:, 1:], taught[:, 0], taught[:, 1:], teacher.temperature)
        return teacher.mixed(hard, soft)

    def sampled(rows: Tensor, generator: torch.Generator) -> Tensor:
        query, drawn = model.query(*asked(rows, generator)), draw((options.negatives,), generator)
        positive, negative = model.match(query, target[rows, None]).squeeze(1), model.match(query, drawn)
        same = drawn == target[rows].unsqueeze(1)
        hard = losses.sampled_softmax(positive, negative, log_q[drawn], same)
        if teacher is None:
            return hard
        taught = teacher.scores([i[rows] for i in shown], torch.cat([target[rows, None], drawn.expand_as(same)], 1))
        ours = torch.cat([positive.unsqueeze(1), negative], 1)
        soft = soft_losses.sampled_softmax(ours, taught, log_q[drawn], same, teacher.temperature)
        return teacher.mixed(hard, soft)

    return Samples(len(target), pairwise if loss == "bpr" else sampled, sum_of)


def _places(model: Any, histories: Histories) -> NDArray[np.int64]:
    """Which interactions are samples; a sequence model needs something before one."""
    keep = histories.items > 0
    if "sequence" in model.columns:
        keep[histories.starts[:-1][histories.counts() > 0]] = False
    return np.flatnonzero(keep)


def _inputs(model: Any, histories: Histories, places: NDArray[np.int64]) -> Inputs:
    """The model's columns at these places of the histories."""
    there: dict[str, NDArray[Any]] = {"user": np.repeat(np.arange(histories.n_users), histories.counts())[places]}
    if "sequence" in model.columns:
        there["sequence"] = sequences_before(histories, places, sequence_length(model))
    if not set(model.columns) <= there.keys():
        raise TrainingError(f"a model learns single items from a user or a sequence, not from {model.columns}")
    return [torch.from_numpy(there[name]) for name in model.columns]


def same_moments(data: Dataset, other: Dataset, places: NDArray[np.int64]) -> tuple[Histories, NDArray[np.int64]]:
    """The histories of the same rows under other codes, and where the interactions at these places stand there."""
    where = np.zeros(len(data), dtype=np.int64)
    rows = _rows(other)
    where[rows] = np.arange(len(rows))
    return other.histories(), where[_rows(data)[places]]


def _rows(data: Dataset) -> NDArray[np.int32]:
    """The row of the data of each interaction of its histories."""
    return replace(data, columns={**data.columns, "item": np.arange(len(data))}).histories().items


def sequence_length(model: nn.Module) -> int:
    """How many items back a sequence model looks: its attribute `length`. Raises TrainingError where it has none."""
    length = getattr(model, "length", None)
    if not isinstance(length, int):
        raise TrainingError(f"{type(model).__name__} takes a sequence and does not say its `length` (an int attribute)")
    return length
