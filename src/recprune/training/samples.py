"""Samples: the training data as tensors, and the loss of a few of them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Dataset, Histories
from recprune.data.sequences import sequence_samples
from recprune.errors import TrainingError
from recprune.models.recommender import ranks_items
from recprune.training import losses
from recprune.training.draw import sampler
from recprune.training.options import FitOptions, Loss

__all__ = ["Samples", "samples", "usual_loss"]

FULL_SOFTMAX_ITEMS = 20_000
"""Up to this many items a softmax over all of them is the usual loss; above, a sampled one."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """size: number of samples; loss(rows, generator): mean loss of those rows, whatever is drawn from the generator;
    checksum: of what they are, so that a training never goes on with other data."""

    size: int
    loss: Callable[[Tensor, torch.Generator], Tensor]
    checksum: int


def usual_loss(model: Any, data: Dataset) -> Loss:
    """The loss that suits: bce for labels, mse for ratings, a softmax over the items for models that rank them.

    Models of whole histories learn by `multinomial`; those that score a few items (`query` and `match`) use the sampled
    softmax above 20,000 items. Raises TrainingError where there is nothing to learn from.
    """
    if ranks_items(model):
        if "history" in model.columns:
            return "multinomial"
        return "sampled_softmax" if data.n_items > FULL_SOFTMAX_ITEMS and hasattr(model, "match") else "softmax"
    if "label" in data.columns:
        return "bce"
    if "rating" in data.columns:
        return "mse"
    raise TrainingError(
        f"a model of {', '.join(model.columns)} learns from a label or a rating, and the data has neither; "
        "draw negatives first (recprune.data.negatives.with_negatives)"
    )


def samples(model: Any, data: Dataset, options: FitOptions) -> Samples:
    """A dataset as the model's samples. Raises TrainingError where the loss does not suit the model."""
    loss = options.loss or usual_loss(model, data)
    if (loss in ("bce", "mse")) == ranks_items(model):
        raise TrainingError(f"the loss {loss!r} does not suit a model of the columns {model.columns}", loss=loss)
    if loss in ("bce", "mse"):
        return _rows(model, data, loss, options)
    if loss == "multinomial":
        return _whole_histories(model, data.histories())
    return _positives(model, data.histories(), loss, options)


def _rows(model: Any, data: Dataset, loss: str, options: FitOptions) -> Samples:
    """One sample a row of the data."""
    target = torch.from_numpy(np.require(data["label" if loss == "bce" else "rating"], np.float32, ["C", "W"]))
    columns = [torch.from_numpy(np.require(data[name], requirements=["C", "W"])) for name in model.columns]
    codes = [not column.is_floating_point() for column in columns]
    function = getattr(losses, loss)

    def of(rows: Tensor, generator: torch.Generator) -> Tensor:
        batch = [column[rows] for column in columns]
        if options.unknown:
            batch = [_forget(b, options.unknown, generator) if c else b for b, c in zip(batch, codes, strict=True)]
        value: Tensor = function(model(*batch), target[rows])
        return value

    return Samples(len(data), of, _checksum(*columns, target))


def _forget(codes: Tensor, share: float, generator: torch.Generator) -> Tensor:
    return codes.masked_fill(torch.rand(codes.shape, generator=generator) < share, 0)


def _whole_histories(model: Any, histories: Histories) -> Samples:
    """One sample a user with a history: half of its items are shown, all of them are to be found."""
    users = np.flatnonzero(histories.counts())

    def of(rows: Tensor, generator: torch.Generator) -> Tensor:
        whole = torch.from_numpy(histories.dense(users[rows.numpy()]))
        whole[:, 0] = 0.0
        shown = whole * (torch.rand(whole.shape, generator=generator) < 0.5)
        there = {"history": shown, "user": torch.from_numpy(users)[rows]}
        return losses.multinomial(model(*(there[name] for name in model.columns)), whole)

    return Samples(len(users), of, _checksum(torch.from_numpy(histories.starts), torch.from_numpy(histories.items)))


def _positives(model: Any, histories: Histories, loss: str, options: FitOptions) -> Samples:
    """One sample a positive interaction: the user, what came before it, and the item to find."""
    inputs, target = _inputs(model, histories)
    checksum = _checksum(*inputs, target)
    if loss == "softmax":

        def full(rows: Tensor, _: torch.Generator) -> Tensor:
            return losses.softmax(model(*(i[rows] for i in inputs)), target[rows])

        return Samples(len(target), full, checksum)
    if not (hasattr(model, "query") and hasattr(model, "match")):
        raise TrainingError(f"the loss {loss!r} needs the methods `query` and `match`; use 'softmax'", loss=loss)
    log_q, draw = sampler(histories, options.popularity)

    def pairwise(rows: Tensor, generator: torch.Generator) -> Tensor:
        query, drawn = model.query(*(i[rows] for i in inputs)), draw((len(rows), options.negatives), generator)
        scores = model.match(query, torch.cat([target[rows, None], drawn], 1))
        return losses.bpr(scores[:, 0], scores[:, 1:])

    def sampled(rows: Tensor, generator: torch.Generator) -> Tensor:
        query, drawn = model.query(*(i[rows] for i in inputs)), draw((options.negatives,), generator)
        positive = model.match(query, target[rows, None]).squeeze(1)
        return losses.sampled_softmax(
            positive, model.match(query, drawn), log_q[drawn], drawn == target[rows].unsqueeze(1)
        )

    return Samples(len(target), pairwise if loss == "bpr" else sampled, checksum)


def _inputs(model: Any, histories: Histories) -> tuple[list[Tensor], Tensor]:
    """The model's columns for every sample, and the item to find; a sequence model needs something before it."""
    users, items = np.repeat(np.arange(histories.n_users), histories.counts()), histories.items
    keep = items > 0
    there: dict[str, NDArray[Any]] = {}
    if "sequence" in model.columns:
        there["sequence"], _ = sequence_samples(histories, sequence_length(model))
        keep[histories.starts[:-1][histories.counts() > 0]] = False
    there["user"] = users[keep]
    return [torch.from_numpy(there[name]) for name in model.columns], torch.from_numpy(items[keep].astype(np.int64))


def _checksum(*columns: Tensor) -> int:
    value = 0
    for column in columns:
        value = zlib.crc32(np.ascontiguousarray(column.numpy()).data, value)
    return value


def sequence_length(model: nn.Module) -> int:
    """How many items back a sequence model looks: its attribute `length`. Raises TrainingError where it has none."""
    length = getattr(model, "length", None)
    if not isinstance(length, int):
        raise TrainingError(f"{type(model).__name__} takes a sequence and does not say its `length` (an int attribute)")
    return length
