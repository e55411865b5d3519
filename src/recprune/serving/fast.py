"""Models whose lists a kernel finds without all scores: rows of items and a query, or what goes with a history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Histories
from recprune.encodings.faces import Packed
from recprune.encodings.item_bytes import ItemBytes
from recprune.encodings.item_item import ItemItem
from recprune.errors import DataError
from recprune.evaluation.inputs import columns_of, user_inputs
from recprune.kernels.catalogue import Catalogue
from recprune.kernels.neighbours import Neighbours
from recprune.kernels.top import Top
from recprune.serving.eager import FIRST, Eager
from recprune.serving.recommender import Codes, Listed, Recommender

__all__ = ["ByNeighbours", "ByRows", "recommender_of"]


class ByRows:
    """A `Recommender` of score(query, i) = query · row_i + bias_i, for a model with `query` and a table `item`."""

    def __init__(self, eager: Eager) -> None:
        self.model, self.n_items = eager.model, eager.n_items
        self.by_user, self.by_history = eager.by_user, eager.by_history
        self.query: Callable[..., Tensor] = self.model.query  # type: ignore[assignment]
        bias = getattr(self.model, "bias", None)
        table: nn.Module = self.model.item  # type: ignore[assignment]
        self.catalogue = Catalogue.of(table, bias=bias if isinstance(bias, Tensor) else None, without=[0])

    def lists(self, user: int, history: Codes, k: int, exclude: Codes) -> Listed:
        if self.by_history:
            one = Histories(np.array([0, len(history)]), history.astype(np.int32), self.n_items)
            return Listed(*self.catalogue.top(self._queries(FIRST, one, np.array([user]))[0], k, exclude))
        with torch.inference_mode():
            query = self.query(torch.tensor([user]))[0]
        return Listed(*self.catalogue.top(query, k, exclude))

    def many(
        self, rows: Codes, histories: Histories, codes: Codes, k: int, with_seen: bool
    ) -> tuple[Codes, NDArray[np.float32]]:
        exclude = None if with_seen else _part(histories, rows)
        return _padded(self.catalogue.top_of_all(self._queries(rows, histories, codes), k, exclude))

    @torch.inference_mode()
    def _queries(self, rows: Codes, histories: Histories, codes: Codes) -> Tensor:
        return self.query(*user_inputs(self.model, histories, rows, renumber={"user": codes})).float()


class ByNeighbours:
    """A `Recommender` of score(history, i) = sum over j of W[i, j], for a model whose `items` holds the entries."""

    by_user, by_history = False, True

    def __init__(self, eager: Eager) -> None:
        self.n_items = eager.n_items
        matrix: Any = eager.model.items
        self.neighbours = Neighbours.of(matrix, without=[0])

    def lists(self, user: int, history: Codes, k: int, exclude: Codes) -> Listed:
        return Listed(*self.neighbours.top(np.unique(history), k, exclude))

    def many(
        self, rows: Codes, histories: Histories, codes: Codes, k: int, with_seen: bool
    ) -> tuple[Codes, NDArray[np.float32]]:
        starts, items = _part(histories, rows)
        place = np.repeat(np.arange(len(rows)), np.diff(starts))
        once = np.unique(place * self.n_items + items)
        counts = np.bincount(once // self.n_items, minlength=len(rows))
        mine = np.concatenate([[0], np.cumsum(counts)]), once % self.n_items
        return _padded(self.neighbours.top_of_all(mine, k, (np.zeros_like(starts), items[:0]) if with_seen else mine))


def recommender_of(model: nn.Module, n_items: int, n_users: int = 1) -> Recommender:
    """What gives the lists of a model fastest: a kernel where the model's scores are such a product, else torch.

    Whether they are is found by trial, on users and histories that are drawn. n_users: rows of its users, if it has
    any. Raises DataError for a model of rows.
    """
    eager = Eager(model, n_items)
    for fast in _candidates(eager):
        if _agree(fast, eager, n_users):
            return fast
    return eager


def _candidates(eager: Eager) -> Iterator[Recommender]:
    table, matrix = getattr(eager.model, "item", None), getattr(eager.model, "items", None)
    stored = matrix.stored if isinstance(matrix, Packed) else matrix
    if isinstance(stored, ItemItem | ItemBytes) and columns_of(eager.model) == ("history",):
        yield ByNeighbours(eager)
    if isinstance(table, nn.Embedding | Packed) and callable(getattr(eager.model, "query", None)):
        yield ByRows(eager)


def _agree(fast: Recommender, eager: Eager, n_users: int, trials: int = 8, k: int = 20) -> bool:
    """Whether both give the same scores, place by place: equal up to float32, where they may change places."""
    rng = np.random.default_rng(0)
    for length in rng.integers(0, 12, trials):
        history = rng.integers(min(1, eager.n_items - 1), eager.n_items, length)
        asked = int(rng.integers(0, n_users)), history, k, history[: length // 2]
        try:
            one, other = fast.lists(*asked), eager.lists(*asked)
        except DataError:
            return False
        if one.scores.shape != other.scores.shape:
            return False
        if not np.allclose(one.scores, other.scores, rtol=1e-4, atol=1e-5 * float(np.abs(other.scores).max(initial=0))):
            return False
    return True


def _part(histories: Histories, rows: Codes) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Starts and items of some rows."""
    place, items = histories.pairs(rows)
    counts = np.bincount(place, minlength=len(rows))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), items


def _padded(top: Top) -> tuple[Codes, NDArray[np.float32]]:
    """With 0 in the place of -1."""
    return np.maximum(top.items, 0), top.scores
