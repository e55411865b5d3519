"""Sampled negatives, for click models where the log has positives only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Dataset, Split
from recprune.errors import DataError

__all__ = ["with_negatives"]


def with_negatives(split: Split, per_positive: int = 4, seed: int = 0) -> Split:
    """The split with a column `label`: every row is a positive (1) and is followed by `per_positive` negatives (0).

    The rule. A part looks at itself and the parts before it, never at later ones: train at train, validation at train
    and validation, test at all three. The items of a negative are drawn uniformly and independently (so that the same
    one may come twice) from all items that stand in those parts, less those that its user has had there; the unknown
    item is never drawn. Fields of the item (`roles.of_item`) are those of the negative's own item, as in the first row
    it has; everything else, time included, is that of the positive. `rating` leaves: a negative has none. A user that
    has had every item gets no negatives.
    Each part has its own stream of `seed`; the same seed gives the same rows.
    Raises DataError where the split has negatives already, or has no users or items to draw for.
    """
    _check(split.train, per_positive)
    out = []
    for number, part in enumerate((split.train, split.valid, split.test)):
        seen = (split.train, split.valid, split.test)[: number + 1]
        out.append(_with_negatives(part, seen, per_positive, np.random.default_rng([seed, number])))
    return Split(*out)


def _check(train: Dataset, per_positive: int) -> None:
    if per_positive < 1:
        raise DataError(f"per_positive is 1 or more, not {per_positive}", per_positive=per_positive)
    for column in ("user", "item"):
        if column not in train.columns:
            raise DataError(
                f"negatives are drawn for each user from the items; there is no column {column!r}", column=column
            )
    if "label" in train.columns and (train["label"] <= 0).any():
        raise DataError("the log has negatives of its own (rows with label 0); none need be drawn", column="label")


def _with_negatives(part: Dataset, seen: Sequence[Dataset], per_positive: int, rng: np.random.Generator) -> Dataset:
    """A part with its negatives; `seen` are the parts it may look at."""
    positive = np.repeat(np.arange(len(part)), per_positive)
    items, drawn = _draw(rng, part["user"][positive], seen)
    positive, items = positive[drawn], items[drawn]
    # a positive goes in front of its negatives: rows sorted by the positive they belong to
    order = np.argsort(np.concatenate([np.arange(len(part)), positive]), kind="stable")
    columns: dict[str, NDArray[Any]] = {}
    for name, values in part.columns.items():
        if name in ("rating", "label"):
            continue
        if name == "item":
            others = items.astype(values.dtype)
        elif name in part.roles.of_item:
            table = _of_items(name, seen)
            values, others = _wide(values, table.shape[1:]), table[items]
        else:
            others = values[positive]
        columns[name] = np.concatenate([values, others])[order]
    columns["label"] = (order < len(part)).astype(np.float32)
    return replace(part, columns=columns, roles=replace(part.roles, label="label", rating=None))


def _draw(
    rng: np.random.Generator, users: NDArray[np.integer], seen: Sequence[Dataset]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """An item for every user, uniform over those it has not had, and whether there is one.

    With the places a_0 < a_1 < ... that a user has had among n candidates, the r-th it has not had is at the place
    r + #{j : a_j - j <= r}: exact, without trying again.
    """
    candidates = np.unique(np.concatenate([part["item"] for part in seen]))
    candidates = candidates[candidates > 0].astype(np.int64)
    n = len(candidates)
    owners, places = _had(seen, candidates)
    counts = np.bincount(owners, minlength=seen[0].n_users)
    starts = np.cumsum(counts) - counts
    free = n - counts[users]
    drawn = free > 0
    r = np.floor(rng.random(len(users)) * free).astype(np.int64)
    keys = owners * (n + 1) + places - (np.arange(len(owners)) - starts[owners])
    before = np.searchsorted(keys, users.astype(np.int64) * (n + 1) + r, side="right") - starts[users]
    place = np.where(drawn, r + before, 0)
    return (candidates[place] if n else place), drawn


def _had(seen: Sequence[Dataset], candidates: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every (user, place of the item among the candidates) that stands in those parts, once, sorted."""
    n = len(candidates) + 1
    pairs = []
    for part in seen:
        known = part["item"] > 0
        places = np.searchsorted(candidates, part["item"][known])
        pairs.append(part["user"][known].astype(np.int64) * n + places)
    keys = np.unique(np.concatenate(pairs))
    return keys // n, keys % n


def _of_items(name: str, seen: Sequence[Dataset]) -> NDArray[Any]:
    """(n_items, ...) the value of a field of the item, as in the first row of each item; 0 where it has none."""
    shape = max(part[name].shape[1:] for part in seen)
    table = np.zeros((seen[0].n_items, *shape), dtype=seen[0][name].dtype)
    for part in reversed(seen):  # the earliest part is written last; within a part the first row is
        table[part["item"][::-1]] = _wide(part[name], shape)[::-1]
    return table


def _wide(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """(n, *shape) values, where shape is that of one row; (n, width) codes get zeros behind, up to its width."""
    return np.pad(values, ((0, 0), (0, shape[0] - values.shape[1]))) if shape else values
