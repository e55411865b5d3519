"""Dataset: encoded interactions. Histories: what each user did, in time order. Split: three datasets, one encoding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError

__all__ = ["Dataset", "Histories", "Roles", "Split"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Roles:
    """Which column plays which part. Names are those of the log; after encoding the first five are called
    `user`, `item`, `rating`, `label`, `time` whatever the log called them.

    positive: what counts as a positive interaction, as in "rating >= 4"; without it every row does.
    of_item, of_user: those of `categorical`, `numeric`, `multi` that are a property of the item (the user), not of the
    moment: a sampled negative takes them from its own item.
    """

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    label: str | None = None
    time: str | None = None
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    multi: tuple[str, ...] = ()
    of_item: tuple[str, ...] = ()
    of_user: tuple[str, ...] = ()
    positive: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """Items of every user in time order, as a ragged array: user `u` did `items[starts[u]:starts[u + 1]]`.

    users and items are codes; row 0 (the unknown user) is empty.
    """

    starts: NDArray[np.int64]
    items: NDArray[np.int32]
    n_items: int

    @property
    def n_users(self) -> int:
        """Number of rows, the unknown user included."""
        return len(self.starts) - 1

    def counts(self) -> NDArray[np.int64]:
        """(n_users,) how many interactions each user has."""
        return np.diff(self.starts)

    def matrix(self, unknown: bool = True) -> sp.csr_matrix:
        """(n_users, n_items) float32, 1 where the user had the item; without `unknown` item 0 was had by nobody."""
        data = np.ones(len(self.items), dtype=np.float32)
        out = sp.csr_matrix((data, self.items.astype(np.int32), self.starts), shape=(self.n_users, self.n_items))
        out.sum_duplicates()
        out.data[:] = 1.0
        if not unknown:
            out.data[out.indices == 0] = 0.0
            out.eliminate_zeros()
        return out

    def once(self) -> Histories:
        """Every item of a user once, by item number, and the unknown item never."""
        matrix = self.matrix(unknown=False)
        return Histories(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), self.n_items)

    def dense(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        """(len(users), n_items) float32: 1 where the user had the item."""
        out = np.zeros((len(users), self.n_items), dtype=np.float32)
        rows, items = self.pairs(users)
        out[rows, items] = 1.0
        return out

    def pairs(self, users: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Row number (position in `users`) and item of every interaction of those users."""
        lengths = self.counts()[users]
        rows = np.repeat(np.arange(len(users)), lengths)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return rows, self.items[np.repeat(self.starts[:-1][users], lengths) + within]

    def recent(self, users: NDArray[np.integer], length: int) -> NDArray[np.int64]:
        """(len(users), length) the last `length` items of each user, oldest first, 0 in front where there are fewer."""
        back = np.arange(length, 0, -1)
        ends = self.starts[1:][users][:, None]
        index = ends - back[None, :]
        there = index >= self.starts[:-1][users][:, None]
        return np.where(there, self.items[np.where(there, index, 0)] if len(self.items) else 0, 0).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Encoded interactions, one a row.

    columns: name -> (n,) array: int32 codes for `user`, `item` and categorical fields (0 = unknown), float32 for
    `rating`, `label` and numeric fields, int64 for `time`; (n, width) int32 for multi-valued fields, padded with 0.
    vocabularies: one for each column of codes.
    """

    columns: Mapping[str, Array]
    vocabularies: Mapping[str, Vocabulary]
    roles: Roles = field(default_factory=Roles)

    def __post_init__(self) -> None:
        lengths = {name: len(values) for name, values in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"columns differ in length: {lengths}", lengths=lengths)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, column: str) -> Array:
        if column not in self.columns:
            raise DataError(f"no column {column!r}; there are: {', '.join(self.columns)}", column=column)
        return self.columns[column]

    @property
    def n_users(self) -> int:
        """Rows of a user table, the unknown user (row 0) included. Raises DataError where there are no users."""
        return len(self._of("user"))

    @property
    def n_items(self) -> int:
        """Rows of an item table, the unknown item (row 0) included. Raises DataError where there are no items."""
        return len(self._of("item"))

    def _of(self, column: str) -> Vocabulary:
        if column not in self.vocabularies:
            raise DataError(
                f"the data has no {column}s, and this needs them; it has {', '.join(self.columns)}. Say which column "
                f"tells the {column} (--{column}, or Roles({column}=...)), or take a model of fields, such as deepfm",
                column=column,
            )
        return self.vocabularies[column]

    @property
    def fields(self) -> tuple[str, ...]:
        """Categorical columns that a click model takes: user, item, then the others in the order of the roles."""
        names = [n for n in ("user", "item") if n in self.columns]
        return (*names, *(n for n in self.roles.categorical if n in self.columns and n not in names))

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Dataset:
        """Those rows, in that order."""
        return replace(self, columns={name: values[rows] for name, values in self.columns.items()})

    def batches(self, columns: Sequence[str], size: int) -> Iterator[tuple[Array, ...]]:
        """The rows in order, `size` at a time, as arrays in the order of `columns`."""
        for begin in range(0, len(self), size):
            yield tuple(self[name][begin : begin + size] for name in columns)

    def histories(self) -> Histories:
        """Positive interactions by user, in time order (row order where there is no time or it is equal)."""
        users, items = self["user"], self["item"]
        if "label" in self.columns:
            keep = self["label"] > 0
            users, items = users[keep], items[keep]
            time = self["time"][keep] if "time" in self.columns else None
        else:
            time = self.columns.get("time")
        order = np.lexsort((time, users)) if time is not None else np.argsort(users, kind="stable")
        counts = np.bincount(users, minlength=self.n_users)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Histories(starts, items[order].astype(np.int32), self.n_items)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Train, validation and test under one encoding; they share no row. A part may be empty (length 0)."""

    train: Dataset
    valid: Dataset
    test: Dataset

    @property
    def vocabularies(self) -> Mapping[str, Vocabulary]:
        """The vocabularies, the same for all three parts."""
        return self.train.vocabularies
