"""Blocks of feature columns, sparse, of users or of single rows. A column is a name and a number for everyone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recprune.data.dataset import Dataset
from recprune.errors import DataError

__all__ = ["USER_BLOCKS", "Block", "row_blocks", "user_blocks"]

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Columns that belong together: x (n, len(names)) float32 CSR, NaN where a number is missing; field is what they
    were made from.
    """

    field: str
    names: tuple[str, ...]
    x: sp.csr_matrix


def row_blocks(dataset: Dataset, fields: Sequence[str]) -> list[Block]:
    """One-hot (categorical), multi-hot (multi-valued) or plain (numeric) columns of those fields, a row for a row."""
    n = len(dataset)
    return [
        _hot(dataset, name, np.arange(n), n, "{}={}")
        if name in dataset.vocabularies
        else _plain(name, name, dataset[name])
        for name in fields
    ]


def user_blocks(dataset: Dataset, users: Codes, blocks: Iterable[str]) -> list[Block]:
    """The named blocks of USER_BLOCKS for `users`, which are those of the dataset (codes, ascending).

    Rows with label 0 are things that a user did not do: they tell nothing but the user's own fields.
    """
    done = dataset.take(dataset["label"] > 0) if "label" in dataset.columns else dataset
    out: list[Block] = []
    for name in blocks:
        if name not in USER_BLOCKS:
            raise DataError(f"no block {name!r} of user features; there are: {', '.join(USER_BLOCKS)}", block=name)
        out += USER_BLOCKS[name](dataset, done, users)
    return out


def _history(dataset: Dataset, done: Dataset, users: Codes) -> list[Block]:
    if "item" not in done.columns:
        return []
    x = _hot(done, "item", *_owners(done, users), "history={1}", field="history")
    x.x.data[:] = 1.0
    return [x]


def _counts(dataset: Dataset, done: Dataset, users: Codes) -> list[Block]:
    owners, n = _owners(done, users)
    columns = {"count(rows)": np.bincount(owners, minlength=n)}
    if "item" in done.columns:
        items = np.unique(owners * dataset.n_items + done["item"]) // dataset.n_items
        columns["count(items)"] = np.bincount(items, minlength=n)
    return [_plain("counts", name, values) for name, values in columns.items()]


def _of_user(dataset: Dataset, done: Dataset, users: Codes) -> list[Block]:
    """One-hot and multi-hot: the value a user has in its first row."""
    rows = dataset.take(np.unique(dataset["user"], return_index=True)[1])
    return row_blocks(rows, [name for name in _fields(dataset) if name in dataset.roles.of_user])


def _histograms(dataset: Dataset, done: Dataset, users: Codes) -> list[Block]:
    """Of all values that a user met in a field, the share that each one has."""
    owners, n = _owners(done, users)
    names = [name for name in _fields(dataset) if name not in dataset.roles.of_user]
    out = [_hot(done, name, owners, n, "share({}={})") for name in names]
    for block in out:
        totals = np.asarray(block.x.sum(1)).ravel()
        block.x.data /= np.repeat(totals, np.diff(block.x.indptr))
    return out


def _numeric(dataset: Dataset, done: Dataset, users: Codes) -> list[Block]:
    """The mean over what a user did, of the user's own numbers over all its rows."""
    out = []
    for name in (name for name in dataset.roles.numeric if name in dataset.columns):
        own = name in dataset.roles.of_user
        rows = dataset if own else done
        owners, n = _owners(rows, users)
        there = np.isfinite(rows[name])
        counts = np.bincount(owners[there], minlength=n)
        sums = np.bincount(owners[there], weights=rows[name][there], minlength=n)
        values = np.divide(sums, counts, out=np.full(n, np.nan), where=counts > 0)
        out.append(_plain(name, name if own else f"mean({name})", values))
    return out


USER_BLOCKS: dict[str, Callable[[Dataset, Dataset, Codes], list[Block]]] = {
    "history": _history,
    "counts": _counts,
    "of_user": _of_user,
    "histograms": _histograms,
    "numeric": _numeric,
}
"""Name -> the block: items had (0/1); how many rows and items; the user's own fields, one-hot and multi-hot; shares of
the values of item and context fields; numbers."""


def _fields(dataset: Dataset) -> list[str]:
    """Categorical and multi-valued fields that are there."""
    return [name for name in (*dataset.roles.categorical, *dataset.roles.multi) if name in dataset.columns]


def _owners(rows: Dataset, users: Codes) -> tuple[Codes, int]:
    """Place among `users` of the user of every row, and how many users there are."""
    return np.searchsorted(users, rows["user"]), len(users)


def _hot(dataset: Dataset, name: str, owners: Codes, n: int, pattern: str, *, field: str | None = None) -> Block:
    """How often each owner has each value; code 0 has no column. Codes may be (rows,) or (rows, width)."""
    codes = dataset[name].reshape(len(owners), -1)
    rows, columns = np.repeat(owners, codes.shape[1]), codes.ravel()
    there = columns > 0
    ids = dataset.vocabularies[name].ids
    entries = (np.ones(int(there.sum()), dtype=np.float32), (rows[there], columns[there] - 1))
    x = sp.coo_matrix(entries, shape=(n, len(ids))).tocsr()
    return Block(field or name, tuple(pattern.format(name, key) for key in ids), x)


def _plain(field: str, name: str, values: NDArray[np.number]) -> Block:
    """One column of numbers; NaN where it is missing, or too large for float32."""
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32)
    numbers[~np.isfinite(numbers)] = np.nan
    return Block(field, (name,), sp.csr_matrix(numbers[:, None]))
