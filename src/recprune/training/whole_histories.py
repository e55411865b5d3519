"""Samples of models of whole histories: one a user."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import parametrize

from recprune.data.dataset import Dataset, Histories
from recprune.errors import TrainingError
from recprune.evaluation.inputs import device_of
from recprune.training import losses, soft_losses
from recprune.training.samples import Samples, checksum
from recprune.training.softmax_of_all import Workspace, softmax_of_all
from recprune.training.teacher import Teacher

__all__ = ["history_samples"]


def history_samples(model: Any, data: Dataset, hidden: float = 0.5, teacher: Teacher | None = None) -> Samples:
    """One sample a user with a history: of its items the share `hidden` is not shown, and all of them are to be found;
    by a model of factors (`of_items` and `catalogue`) those that were not shown, without a score kept for any.

    A teacher is shown the same items of the same user, and those that the model no longer knows.
    """
    histories, where = data.histories(), device_of(model)
    users = np.flatnonzero(histories.counts())
    sum_of = checksum([torch.from_numpy(histories.starts), torch.from_numpy(histories.items)])
    if teacher is not None:
        return _taught(model, teacher, hidden, sum_of)
    if hasattr(model, "of_items") and hasattr(model, "catalogue"):
        return _factored(model, histories, hidden, sum_of)

    def of(rows: Tensor, generator: torch.Generator) -> Tensor:
        whole, shown = (part.to(where) for part in _shown(histories, users[rows.numpy()], hidden, generator))
        return losses.multinomial(_scores(model, shown, users[rows.numpy()]), whole)

    return Samples(len(users), of, sum_of)


def _factored(model: Any, histories: Histories, hidden: float, sum_of: int) -> Samples:
    once = histories.once()
    users, place = np.flatnonzero(once.counts()), device_of(model)
    space = Workspace.on(place)

    def of(rows: Tensor, generator: torch.Generator) -> Tensor:
        where, what = (torch.from_numpy(part.astype(np.int64)) for part in once.pairs(users[rows.numpy()]))
        away = torch.rand(len(what), generator=generator) < hidden
        where, what, away = where.to(place), what.to(place), away.to(place)
        with parametrize.cached():
            query, items = model.of_items(what[~away], where[~away], len(rows)), model.catalogue()
        return softmax_of_all(query, items, where[away], what[away], model.temperature, space)

    return Samples(len(users), of, sum_of)


def _taught(model: Any, teacher: Teacher, hidden: float, sum_of: int) -> Samples:
    histories, place = teacher.data.histories(), device_of(model)
    users = np.flatnonzero(histories.counts())
    mine = teacher.renumber.get("user", np.arange(histories.n_users))

    def of(rows: Tensor, generator: torch.Generator) -> Tensor:
        chosen = users[rows.numpy()]
        whole, shown = (part.to(place) for part in _shown(histories, chosen, hidden, generator))
        with torch.no_grad():
            taught = teacher.of_mine(_scores(teacher.model, shown, chosen))
        whole, shown = teacher.of_mine(whole), teacher.of_mine(shown)
        scores = _scores(model, shown, mine[chosen])
        hard = losses.multinomial(scores, whole)
        return teacher.mixed(hard, soft_losses.softmax(scores, taught, teacher.temperature))

    return Samples(len(users), of, sum_of)


def _shown(
    histories: Histories, users: NDArray[Any], hidden: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(users, items) all that each user did, and what is shown of it."""
    whole = torch.from_numpy(histories.dense(users))
    whole[:, 0] = 0.0
    return whole, whole * (torch.rand(whole.shape, generator=generator) >= hidden)


def _scores(model: Any, shown: Tensor, users: NDArray[Any]) -> Tensor:
    there = {"history": shown, "user": torch.from_numpy(users).to(shown.device)}
    if not set(model.columns) <= there.keys():
        raise TrainingError(f"by multinomial a model learns from {', '.join(there)}, not from {model.columns}")
    scores: Tensor = model(*(there[name] for name in model.columns))
    return scores
