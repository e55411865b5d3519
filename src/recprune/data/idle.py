"""Columns that can leave a log without any model being asked, and a log without some of its columns."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Dataset, Roles, Split
from recprune.errors import DataError

__all__ = ["idle_columns", "without_columns"]

ANSWERS = frozenset({"rating", "label", "time"})
UNIQUE = 0.9
"""Values over rows of train from which on a column counts as unique: then next to no value is met a second time."""


def idle_columns(split: Split, *, keep: Collection[str] = ()) -> dict[str, str]:
    """Column -> why it can leave, exactly, from train and validation alone:

    - "constant": one value in all rows;
    - "unique": codes that take a value of their own in at least 9 of 10 rows of train, so that nothing can be learned
      from one row for another;
    - "copy of": the same as an earlier column up to the names of the codes; numbers up to a rising or falling change
      of scale.
    Of copies the first in the order of the columns stays, or those named by `keep`, which never leave.
    """
    train = split.train
    seen: dict[tuple[str, bytes], str] = {}
    left: dict[str, str] = {}
    for name in sorted(train.columns, key=lambda name: name not in keep):
        if name in ANSWERS:
            continue
        both = np.concatenate([train[name], split.valid[name]]) if len(split.valid) else train[name]
        ranks = _ranked(both)
        values = int(ranks.max(initial=0)) + 1
        in_train = len(np.unique(ranks[: len(train)]))
        key = (train[name].dtype.kind, _digest(ranks, ordered=train[name].dtype.kind == "f"))
        if name not in keep and (why := _alone(values, in_train, len(both), len(train), train[name])):
            left[name] = why
        elif name not in keep and key in seen:
            left[name] = f"copy of {seen[key]}: the same up to the names of its values"
        else:
            seen.setdefault(key, name)
    return {name: left[name] for name in train.columns if name in left}


def without_columns(split: Split, names: Collection[str]) -> Split:
    """The split without some columns, their vocabularies and their roles. Raises DataError for a name that is not there
    and for the answers (rating, label, time), which are no features."""
    there = [name for name in split.train.columns if name not in ANSWERS]
    wrong = sorted(set(names) - set(there))
    if wrong:
        raise DataError(f"no column {wrong[0]!r} that can leave; there are: {', '.join(there)}", column=wrong[0])
    return Split(*(_without(part, set(names)) for part in (split.train, split.valid, split.test)))


def _without(part: Dataset, names: set[str]) -> Dataset:
    def others(held: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in held.items() if name not in names}

    roles = {one.name: _role(getattr(part.roles, one.name), one.name, names) for one in fields(Roles)}
    return replace(part, columns=others(part.columns), vocabularies=others(part.vocabularies), roles=Roles(**roles))


def _role(value: Any, role: str, names: set[str]) -> Any:
    if isinstance(value, tuple):
        return tuple(name for name in value if name not in names)
    return None if role in names else value


def _alone(values: int, in_train: int, rows: int, train: int, column: NDArray[Any]) -> str:
    """Why a column says nothing by itself; empty where it may."""
    if values <= 1:
        return f"constant: one value in all {rows:,} rows"
    if column.dtype.kind != "f" and column.ndim == 1 and in_train >= UNIQUE * train:
        return f"unique: {in_train:,} values in {train:,} rows of train"
    return ""


def _ranked(values: NDArray[Any]) -> NDArray[np.int64]:
    """(rows,) the place of each row's value among the sorted different values; a list of codes is one value."""
    _, inverse = np.unique(values, return_inverse=True, axis=0 if values.ndim > 1 else None)
    return np.asarray(inverse, dtype=np.int64).reshape(-1)


def _digest(ranks: NDArray[np.int64], *, ordered: bool) -> bytes:
    """The same for columns that are the same up to names (or, of ordered values, up to their direction)."""
    if ordered:
        falling = int(ranks.max(initial=0)) - ranks
        return min(_hash(ranks), _hash(falling))
    _, first, again = np.unique(ranks, return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    return _hash(place[again.reshape(-1)])


def _hash(numbers: NDArray[np.int64]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(numbers).data).digest()
