"""Samples of models that answer at every position of a sequence: one a window, all of its next items at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from recprune.data.dataset import Dataset, Histories
from recprune.evaluation.inputs import device_of
from recprune.training.draw import sampler
from recprune.training.options import FitOptions
from recprune.training.positives import sequence_length
from recprune.training.samples import Samples, checksum
from recprune.training.sharded import ShardedEmbedding
from recprune.training.softmax_of_all import Workspace, softmax_of_all
from recprune.training.softmax_of_shards import softmax_of_shards
from recprune.training.softmax_of_some import softmax_of_some
from recprune.training.taught_positions import taught_positions
from recprune.training.teacher import Teacher
from recprune.training.windows import Loss, Windows, blocks, parted, windows_of

__all__ = ["position_samples"]


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
    the batch. The unknown item is neither an answer nor a rival. teacher: whose softmax over the same items is learned
    too at every position (`can_teach`); it is shown every item.
    """
    histories, where = data.histories(), device_of(model)
    shown, wanted, moments = windows_of(histories, sequence_length(model))
    lengths = shown.shape[1] - ((shown > 0) | (wanted > 0)).int().argmax(1)
    sum_of, all_ = checksum([shown, wanted]), Windows(shown.to(where), wanted.to(where), lengths)
    if teacher is not None:
        learned = taught_positions(model, data, loss, options, teacher, all_, moments)
        return Samples(len(shown), learned, sum_of)
    if loss == "softmax":
        return Samples(len(shown), _full(model, all_, options.unknown), sum_of)
    return Samples(len(shown), _sampled(model, all_, histories, options), sum_of)


def _full(model: Any, all_: Windows, unknown: float) -> Loss:
    space = Workspace.on(all_.shown.device)

    def full(rows: Tensor, generator: torch.Generator) -> Tensor:
        found, target, items = _answers(model, *all_.batch(rows, unknown, generator))
        return all_.alike(_softmax(found, target, items, space), rows, len(target))

    return full


def _sampled(model: Any, all_: Windows, histories: Histories, options: FitOptions) -> Loss:
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


def _answers(model: Any, all_: Windows, rows: Tensor) -> tuple[Tensor, Tensor, Tensor | ShardedEmbedding]:
    """(n, dim) states, (n,) targets, (n_items, dim); or the table that lies in shards."""
    with parametrize.cached():
        items = parted(model) or model.catalogue()
        parts = all_.parts(rows, isinstance(items, ShardedEmbedding))
        return all_.states(model, all_.shown, parts), all_.targets(parts), items


def _softmax(states: Tensor, target: Tensor, items: Tensor | ShardedEmbedding, space: Workspace) -> Tensor:
    """Mean cross-entropy over all items: states (n, dim), target (n,), items (n_items, dim)."""
    if isinstance(items, ShardedEmbedding):
        return softmax_of_shards(states, target, items, unknown=False).mean()
    total = states.new_zeros(())
    for some in blocks(len(states), len(items)):
        rows = torch.arange(len(states[some]), device=states.device)
        total = total + len(rows) * softmax_of_all(states[some], items, rows, target[some], 1.0, space)
    return total / len(states)
