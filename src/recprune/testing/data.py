"""Tiny splits with a structure that can be learned: two tastes, and items that belong to one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.vocabulary import Vocabulary

__all__ = ["tiny_clicks", "tiny_mixed", "tiny_split"]


def tiny_split(seed: int = 0, *, users: int = 24, items: int = 16, each: int = 7) -> Split:
    """Implicit feedback: `each` distinct items a user in time order, the last for test, the one before for validation.

    Users and items of even code have one taste, the others the other; one item in six is of the wrong taste. Code 0
    never occurs.
    """
    rng = np.random.default_rng(seed)
    chosen = np.stack([_tastes(rng, user, items, each) for user in range(1, users + 1)])
    position = np.tile(np.arange(each), users)
    columns: dict[str, NDArray[Any]] = {
        "user": np.repeat(np.arange(1, users + 1, dtype=np.int32), each),
        "item": chosen.reshape(-1).astype(np.int32),
        "time": (1_000 + 10 * position + np.repeat(rng.integers(0, 9, users), each)).astype(np.int64),
    }
    vocabularies = {"user": _vocabulary("user", users), "item": _vocabulary("item", items)}
    whole = Dataset(columns, vocabularies, Roles(user="user", item="item", time="time"))
    return Split(whole.take(position < each - 2), whole.take(position == each - 2), whole.take(position == each - 1))


def tiny_clicks(seed: int = 0, *, rows: int = 240) -> Split:
    """Labelled rows: user (6), item (9), `city` (3, decides with the item), `noise` (5, decides nothing), label 0 or 1.

    60 % are for training, 20 % for validation and 20 % for test.
    """
    rng = np.random.default_rng(seed)
    sizes = {"user": 6, "item": 9, "city": 3, "noise": 5}
    codes = {name: rng.integers(1, size + 1, rows).astype(np.int32) for name, size in sizes.items()}
    logit = 2.0 * np.where((codes["item"] + codes["city"]) % 2 == 0, 1.0, -1.0)
    label = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.float32)
    time = np.arange(rows, dtype=np.int64)
    columns: dict[str, NDArray[Any]] = {**codes, "label": label, "time": time}
    vocabularies = {name: _vocabulary(name, size) for name, size in sizes.items()}
    roles = Roles(user="user", item="item", label="label", time="time", categorical=("city", "noise"))
    whole = Dataset(columns, vocabularies, roles)
    return Split(
        whole.take(time < 0.6 * rows),
        whole.take((time >= 0.6 * rows) & (time < 0.8 * rows)),
        whole.take(time >= 0.8 * rows),
    )


def tiny_mixed(seed: int = 0, *, rows: int = 240, missing: float = 0.0) -> Split:
    """`tiny_clicks` with numbers and many codes a row: `age` and `price`, and up to 3 of 5 `tags`, padded with 0.

    missing: share of the ages that are not there.
    """
    rng, clicks = np.random.default_rng(seed), tiny_clicks(seed, rows=rows)

    def with_more(part: Dataset) -> Dataset:
        n = len(part)
        more: dict[str, NDArray[Any]] = {
            "age": rng.normal(30, 5, n).astype(np.float32),
            "price": rng.normal(3, 0.5, n).astype(np.float32),
            "tags": rng.integers(0, 6, (n, 3)).astype(np.int32),
        }
        if missing:
            more["age"][rng.random(n) < missing] = np.nan
        roles = replace(part.roles, numeric=("age", "price"), multi=("tags",))
        return Dataset({**part.columns, **more}, {**part.vocabularies, "tags": _vocabulary("tags", 5)}, roles)

    return Split(with_more(clicks.train), with_more(clicks.valid), with_more(clicks.test))


def _tastes(rng: np.random.Generator, user: int, items: int, each: int) -> NDArray[np.int64]:
    codes = np.arange(1, items + 1)
    liked = np.where(codes % 2 == user % 2, 5.0, 1.0)
    return rng.choice(codes, size=each, replace=False, p=liked / liked.sum())


def _vocabulary(column: str, size: int) -> Vocabulary:
    return Vocabulary(column, [f"{column[0]}{number}" for number in range(1, size + 1)])
