"""The probe of a trained recommender: the batches and the loss by which its units are rated."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Dataset, Histories, Split
from recprune.data.split import split_last, split_random
from recprune.evaluation.inputs import ranks, row_inputs, user_inputs
from recprune.importance.probe import Probe
from recprune.importance.score import Rule, score
from recprune.importance.shared import SharedProbe
from recprune.importance.sweep import Batch, Loss
from recprune.models._ridge import Errors, gram_rows
from recprune.tracing.site import Kind, Survey
from recprune.training import losses
from recprune.training.together import Alone

__all__ = ["MOST", "PER_ID", "as_asked", "code_counts", "probe", "rated", "row_batches"]


MOST = 16_384
"""Rows, or users, that units are rated on."""

PER_ID = 16
"""So many times as many rows of train are looked at where each id needs rows that hold it."""

SCORES = 1 << 25
"""Scores, users times items, that one measurement of a ranking loss makes at most (but 256 users at least)."""


def probe(
    model: nn.Module,
    survey: Survey,
    split: Split,
    *,
    most: int = MOST,
    batch: int = 1024,
    seed: int = 0,
    workers: Alone | None = None,
) -> Probe:
    """What the rules may ask about a model.

    Models of rows: up to `most` rows of validation (of train where there is none), drawn by the seed, with their label
    (or rating): on train, what the model has learned by heart looks useful. Ids are rated on 16 times as many rows of
    train, since each needs rows that hold it. Models that rank: up to `most` users with what they did in train, and as
    target what they did in validation (the last item of train where there is no validation), by the generalised
    multinomial loss: the log-loss of a model that has learned much by heart falls when it knows less, while its lists
    get worse. As in lists, what a user had is no candidate, unless things come again in this data. A model that is
    solved in closed form is rated by the squared error of its histories.
    workers: those who look at the batches together (`SharedProbe`), each of whom calls this with the same arguments.
    """
    make = Probe if workers is None or workers.size == 1 else partial(SharedProbe, workers)
    if ranks(model):
        batches, loss = _of_users(model, split, most, batch, seed)
        solved_on = gram_rows(split.train.histories(), _errors(model)) if hasattr(model, "refit_") else None
        return make(model, survey, batches, loss, code_counts(split), products=solved_on)
    part = split.valid if len(split.valid) else split.train
    batches, loss = row_batches(model, part, most, batch, seed)
    rows_of_ids, _ = row_batches(model, split.train, PER_ID * most, 4 * batch, seed)
    return make(model, survey, batches, loss, code_counts(split), id_batches=rows_of_ids)


def as_asked(model: nn.Module, split: Split, *, seed: int = 0) -> nn.Module:
    """The model that planning asks: itself, but where it remembers who had what (it has `remembering(histories)`) and
    what is asked for is a part of train, a copy that remembers the rest alone: the model would know the answers."""
    remembering = getattr(model, "remembering", None)
    if remembering is None or len(split.valid):
        return model
    made: nn.Module = remembering(_part_of_train(split.train, seed).train.histories())
    return made


def rated(
    model: nn.Module,
    found: Survey,
    rule: Rule,
    asked: Probe,
    split: Split,
    *,
    kinds: Collection[Kind] | None = None,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Tensor]:
    """`score`; entries of a model that is asked without a part of them (`as_asked`) are rated with all in place."""
    if asked.model is model:
        return score(found, rule, asked, kinds=kinds, progress=progress)
    entries = [site for site in found.sites if site.kind is Kind.ENTRY]
    rest = replace(found, sites=tuple(site for site in found.sites if site not in entries))
    whole = probe(model, asked.survey, split, seed=seed)
    scores = score(rest, rule, asked, kinds=kinds, progress=progress)
    scores |= score(replace(found, sites=tuple(entries)), rule, whole, kinds=kinds, progress=progress)
    return {site.name: scores[site.name] for site in found.sites if site.name in scores}


def _errors(model: nn.Module) -> Errors:
    """Which errors count how much in what the model is solved by."""
    return Errors.of(getattr(model, "config", {}))


def code_counts(split: Split) -> dict[str, NDArray[np.int64]]:
    """Column -> (codes,) how often each code occurs in train, code 0 first; `sequence` holds codes of items."""
    counts = {
        name: np.bincount(split.train[name].ravel(), minlength=len(vocabulary))
        for name, vocabulary in split.vocabularies.items()
    }
    return {**counts, "sequence": counts["item"]} if "item" in counts else counts


def _drawn(rows: NDArray[np.int64], most: int, batch: int, seed: int) -> list[NDArray[np.int64]]:
    """Up to `most` of the rows, in a drawn order, in batches."""
    rows = np.random.default_rng(seed).permutation(rows)[:most]
    return [rows[begin : begin + batch] for begin in range(0, len(rows), batch)]


def row_batches(model: nn.Module, part: Dataset, most: int, batch: int, seed: int) -> tuple[list[Batch], Loss]:
    """Up to `most` rows of a part, drawn by the seed, with the label or the rating as target, and the loss of those."""
    target = "label" if "label" in part.columns else "rating"
    values = part[target]
    batches: list[Batch] = [
        (row_inputs(model, part, rows), torch.from_numpy(np.ascontiguousarray(values[rows], dtype=np.float32)))
        for rows in _drawn(np.arange(len(part)), most, batch, seed)
    ]
    return batches, losses.bce if target == "label" else losses.mse


def _of_users(model: nn.Module, split: Split, most: int, batch: int, seed: int) -> tuple[list[Batch], Loss]:
    if hasattr(model, "refit_"):
        known = wanted = split.train.histories()
        loss: Loss = losses.mse
        again = True
    else:
        split = split if len(split.valid) else _part_of_train(split.train, seed)
        known, wanted = split.train.histories(), (split.valid if len(split.valid) else split.test).histories()
        loss = losses.generalized_multinomial
        again = known.matrix(unknown=False).multiply(wanted.matrix(unknown=False)).nnz > 0
    most = min(most, max(256, SCORES // known.n_items))
    users = np.flatnonzero((known.counts() > 0) & (wanted.counts() > 0))
    return [_ranked(model, known, wanted, chosen, again) for chosen in _drawn(users, most, batch, seed)], loss


def _part_of_train(train: Dataset, seed: int) -> Split:
    """The last interactions of every user; without times a tenth of all, drawn by the seed."""
    if "time" in train.columns:
        return split_last(train, repeats=True)
    return split_random(train, valid=0.1, test=0.0, seed=seed, repeats=True)


def _ranked(model: nn.Module, known: Histories, wanted: Histories, users: NDArray[np.int64], again: bool) -> Batch:
    """again: whether what a user had is a candidate; where it is not, the target is below 0."""
    target = wanted.dense(users)
    if not again:
        target -= known.dense(users)
    target[:, 0] = 0.0
    return user_inputs(model, known, users), torch.from_numpy(target)
