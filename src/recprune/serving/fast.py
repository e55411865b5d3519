"""Models whose lists a kernel finds without all scores: rows of items and a query, or what goes with a history."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Histories
from recprune.encodings.faces import Packed
from recprune.encodings.item_bytes import ItemBytes
from recprune.encodings.item_item import ItemItem
from recprune.errors import DataError, ExtensionError
from recprune.evaluation.inputs import columns_of, user_inputs
from recprune.kernels.catalogue import Catalogue
from recprune.kernels.neighbours import Neighbours
from recprune.kernels.program import Reader
from recprune.models.fism import Fism
from recprune.models.mixture import Mixture
from recprune.runtimes.reading import reader_of
from recprune.serving.agreement import differ, drawn_requests
from recprune.serving.eager import FIRST, Eager
from recprune.serving.histories import once_of, padded, part_of
from recprune.serving.recommender import Codes, Listed, Recommender
from recprune.serving.walks import ByFactors, ByWalks

__all__ = ["ByNeighbours", "ByRows", "BySequences", "fast_of", "has_rows", "recommender_of"]


class ByRows:
    """A `Recommender` of score(query, i) = query · row_i + bias_i, for a model with `query` and rows of items: of a
    layer `output`, or of a table `item`.

    query: what runs in the place of that of the model, and gives the same, such as a `reader` that a model has made for
    factors that do not change any more.
    """

    def __init__(self, eager: Eager, query: Callable[..., Tensor] | None = None) -> None:
        self.model, self.n_items = eager.model, eager.n_items
        self.by_user, self.by_history = eager.by_user, eager.by_history
        self.query: Callable[..., Tensor] = query or self.model.query  # type: ignore[assignment]
        table = _rows(self.model)
        bias = getattr(self.model if table is getattr(self.model, "item", None) else table, "bias", None)
        self.catalogue = Catalogue.of(table, bias=bias if isinstance(bias, Tensor) else None, without=[0])

    def lists(self, user: int, history: Codes, k: int, exclude: Codes) -> Listed:
        if self.by_history:
            one = Histories(np.array([0, len(history)]), history.astype(np.int32), self.n_items)
            return Listed(*self.catalogue.top(self._queries(FIRST, one, np.array([user]))[0].numpy(), k, exclude))
        with torch.inference_mode():
            query = self.query(torch.tensor([user]))[0].float().numpy()
        return Listed(*self.catalogue.top(query, k, exclude))

    def many(
        self, rows: Codes, histories: Histories, codes: Codes, k: int, with_seen: bool
    ) -> tuple[Codes, NDArray[np.float32]]:
        exclude = None if with_seen else part_of(histories, rows)
        return padded(self.catalogue.top_of_all(self._queries(rows, histories, codes), k, exclude))

    @torch.inference_mode()
    def _queries(self, rows: Codes, histories: Histories, codes: Codes) -> Tensor:
        return self.query(*user_inputs(self.model, histories, rows, renumber={"user": codes})).float()


class BySequences(ByRows):
    """Likewise of a model of sequences, whose query a C program finds from what was had last; torch does where that is
    an item that left, or nothing."""

    def __init__(self, eager: Eager, reader: Reader) -> None:
        super().__init__(eager, self._read)
        self.reader, self.plain = reader, self.model.query

    def lists(self, user: int, history: Codes, k: int, exclude: Codes) -> Listed:
        if not len(history) or not history[-1]:
            return super().lists(user, history, k, exclude)
        sequence = np.zeros((1, self.reader.length), dtype=np.int64)
        last = history[-self.reader.length :]
        sequence[0, -len(last) :] = last
        return Listed(*self.catalogue.top(self.reader([sequence])[0], k, exclude))

    def _read(self, sequences: Tensor) -> Tensor:
        if bool((sequences[:, -1] == 0).any()):
            found: Tensor = self.plain(sequences)  # type: ignore[operator]
            return found
        return torch.from_numpy(self.reader([sequences.numpy()]))


class ByNeighbours:
    """A `Recommender` of score(history, i) = scale_i * sum over j of W[i, j], for a model whose `items` holds the
    entries, or all of W; scales are those of its `scale`, if it has any."""

    by_user, by_history = False, True

    def __init__(self, eager: Eager) -> None:
        self.n_items = eager.n_items
        matrix, scale = eager.model.items, getattr(eager.model, "scale", None)
        self.neighbours = Neighbours.of(matrix, scale=scale, without=[0])  # type: ignore[arg-type]

    def lists(self, user: int, history: Codes, k: int, exclude: Codes) -> Listed:
        return Listed(*self.neighbours.top(np.unique(history), k, exclude))

    def many(
        self, rows: Codes, histories: Histories, codes: Codes, k: int, with_seen: bool
    ) -> tuple[Codes, NDArray[np.float32]]:
        mine = once_of(histories, rows)
        nothing = np.zeros_like(mine[0]), mine[1][:0]
        return padded(self.neighbours.top_of_all(mine, k, nothing if with_seen else mine))


def recommender_of(model: nn.Module, n_items: int, n_users: int = 1) -> Recommender:
    """What gives the lists of a model without having been timed: a kernel where there is one that lists the same, else
    torch. n_users: rows of its users, if it has any. Raises DataError for a model of rows.
    """
    eager = Eager(model, n_items)
    try:
        return fast_of(eager, n_users)
    except ExtensionError:
        return eager


def fast_of(eager: Eager, n_users: int = 1) -> Recommender:
    """The kernel that lists the same as the model, which is found by trial, on users and histories that are drawn.

    Raises ExtensionError, with the reason, where there is none.
    """
    said = f"there is none for a {type(eager.model).__name__}"
    for make in _candidates(eager):
        try:
            fast = make(eager)
            said = _differ(fast, eager, n_users)
        except DataError as error:
            said = str(error)
        if not said:
            return fast
    raise ExtensionError(f"no kernel lists the same: {said}", name="kernels")


def has_rows(model: nn.Module) -> bool:
    """Whether a model has a query and rows of items to go with it."""
    return isinstance(_rows(model), nn.Embedding | nn.Linear | Packed) and callable(getattr(model, "query", None))


def _rows(model: nn.Module) -> Any:
    table, layer = getattr(model, "item", None), getattr(model, "output", None)
    there = getattr(table, "num_embeddings", None)
    return layer if there is not None and getattr(layer, "out_features", None) == there else table


def _candidates(eager: Eager) -> Iterator[Callable[[Eager], Recommender]]:
    matrix, of_history = getattr(eager.model, "items", None), columns_of(eager.model) == ("history",)
    held = matrix.stored if isinstance(matrix, Packed) else matrix
    if isinstance(eager.model, Fism):
        yield ByWalks if isinstance(eager.model, Mixture) else ByFactors
    elif isinstance(held, ItemItem | ItemBytes | nn.Linear) and of_history:
        yield ByNeighbours
    if has_rows(eager.model):
        if callable(reader := getattr(eager.model, "reader", None)):
            yield partial(ByRows, query=reader())
        with contextlib.suppress(ExtensionError):
            yield partial(BySequences, reader=_reader(eager.model))
        yield ByRows


def _reader(model: nn.Module) -> Reader:
    """Raises ExtensionError for a model that is not read in C here."""
    reader = reader_of(model)
    if reader.native is None:
        raise ExtensionError("there is no C code here, and torch reads sequences faster than numpy", name="kernels")
    return reader


def _differ(fast: Recommender, eager: Eager, n_users: int) -> str:
    asked = drawn_requests(eager, n_users)
    return next((said for one in asked if (said := differ(fast.lists(*one), eager.lists(*one)))), "")
