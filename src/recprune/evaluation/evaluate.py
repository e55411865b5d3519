"""evaluate(): the metrics of a model on one part of a split."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from recprune.data.dataset import Dataset, Split
from recprune.errors import DataError
from recprune.evaluation.clicks import click_scores
from recprune.evaluation.inputs import Renumber, columns_of, known, ranks, row_inputs
from recprune.evaluation.ranking import METRICS, lists
from recprune.evaluation.rating import rating_scores
from recprune.evaluation.reach import fallen, reach
from recprune.evaluation.scores import Part, Scores, from_parts
from recprune.evaluation.truth import hits, tail_items, truth

__all__ = ["Task", "evaluate", "row_scores", "task_of"]

Task = Literal["ranking", "clicks", "rating"]


def evaluate(
    model: nn.Module,
    split: Split,
    part: str = "test",
    *,
    k: int = 20,
    task: Task | None = None,
    batch: int = 1024,
    mask_seen: bool = True,
    tail: float = 0.2,
    renumber: Renumber | None = None,
) -> Scores:
    """Judge a model on a part ("valid" or "test", for rows also "train") of a split.

    A model that scores all items of a user is judged by its lists of k, over all users that have a test item: train
    items, and for the test part validation items too, are what is known of a user (his history) and are never
    recommended, unless mask_seen is False (repeat consumption). A model that scores rows is judged by clicks where the
    rows have a label, else by ratings; `task` says it otherwise. `tail`: the share of interactions that the least
    popular items make up, for tail_recall. `renumber`: old code -> new code, for a model that some ids have left; the
    truth stays as it was, so an item that left is missed. `batch`: users, or rows, scored at a time.
    Raises DataError where the part is empty or lacks what the task needs. `formula(name)` tells what a metric means.
    """
    if (task or task_of(model, split)) == "ranking":
        return _ranking(model, split, part, k, batch, mask_seen, tail, renumber)
    dataset = _part(split, part)
    task = task or task_of(model, split)
    scores = row_scores(model, dataset, batch=batch, renumber=renumber)
    judge, target = (click_scores, "label") if task == "clicks" else (rating_scores, "rating")
    taken = {name: dataset[name] for name in columns_of(model)}
    return replace(judge(scores, dataset[target], part), fallen=fallen(taken, renumber))


def task_of(model: nn.Module, split: Split) -> Task:
    """What a model is judged by on this split. Raises DataError for rows with neither label nor rating."""
    if ranks(model):
        return "ranking"
    if "label" in split.train.columns:
        return "clicks"
    if "rating" in split.train.columns:
        return "rating"
    raise DataError(
        f"{type(model).__name__} scores rows of {', '.join(columns_of(model))}, and the rows have neither label nor "
        "rating to judge by; add negatives, which have the label 0, with recprune.with_negatives",
        column="label",
    )


def _part(split: Split, part: str) -> Dataset:
    if part not in ("train", "valid", "test"):
        raise DataError(f"part is 'train', 'valid' or 'test', not {part!r}", part=part)
    dataset: Dataset = getattr(split, part)
    if not len(dataset):
        raise DataError(f"the {part} part is empty; split again with a share for it", part=part)
    return dataset


@torch.inference_mode()
def row_scores(
    model: nn.Module, dataset: Dataset, *, batch: int = 8192, renumber: Renumber | None = None
) -> NDArray[Any]:
    """(n,) float64 the scores (logits) of all rows, in order, `batch` rows at a time."""
    was_training = model.training
    model.eval()
    try:
        blocks = [
            model(*row_inputs(model, dataset, slice(begin, begin + batch), renumber=renumber)).cpu().double().numpy()
            for begin in range(0, len(dataset), batch)
        ]
    finally:
        model.train(was_training)
    return np.concatenate(blocks)


def _ranking(
    model: nn.Module,
    split: Split,
    part: str,
    k: int,
    batch: int,
    mask_seen: bool,
    tail: float,
    renumber: Renumber | None,
) -> Scores:
    before = known(split, part)
    wanted = truth(_part(split, part).histories(), before if mask_seen else None)
    listed = lists(model, before, wanted.users, k, batch=batch, mask_seen=mask_seen, renumber=renumber)
    top, found = listed.top, hits(listed.top, wanted)
    parts = {f"{name}@{k}": Part(metric(found, wanted.counts)) for name, metric in METRICS.items()}
    rare = tail_items(before, tail)
    counts = wanted.counts_of(rare)
    shares = (found & rare[top]).sum(1) / np.maximum(counts, 1)
    parts[f"tail_recall@{k}"] = Part(shares, (counts > 0).astype(np.float64))
    mean, why = from_parts(parts)
    if f"tail_recall@{k}" in why:
        why[f"tail_recall@{k}"] = f"no user has a test item among the rarest that make up {tail:g} of the interactions"
    mean[f"coverage@{k}"] = len(np.unique(top[top > 0])) / max(before.n_items - 1, 1)
    return Scores(
        mean,
        parts,
        wanted.users,
        "user",
        part,
        why,
        wanted.left_out,
        raw={"top": top},
        reach=reach(wanted, top, listed.offered),
        fallen=fallen({"user": wanted.users} if "user" in columns_of(model) else {}, renumber),
    )
