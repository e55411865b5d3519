"""The hidden world of the simulator: factors of known rank, fields that matter, and who chooses what when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.errors import DataError

__all__ = ["Field", "World", "build_world", "draw_rows"]

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]
Rows = tuple[Codes, Codes, Codes, Floats]

CHUNK = 65_536  # rows drawn at a time; bounds the memory
ROUNDS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field that matters.

    codes (n_owners,): the value of every user or item; empty for a context field, which is drawn with each row.
    main (cardinality,): added to the utility. factors (cardinality, rank): added to those of the user, item or moment.
    """

    name: str
    codes: Codes
    main: Floats
    factors: Floats


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Factors (n, rank) and main effects (n,) of users and items; shares of activity and exposure (n,), adding to 1."""

    user: Floats
    item: Floats
    bias_user: Floats
    bias_item: Floats
    activity: NDArray[np.float64]
    popularity: NDArray[np.float64]
    of_user: tuple[Field, ...]
    of_item: tuple[Field, ...]
    context: tuple[Field, ...]
    strength: float


def build_world(
    rng: np.random.Generator,
    n_users: int,
    n_items: int,
    rank: int,
    *,
    user_fields: Sequence[int],
    item_fields: Sequence[int],
    context_fields: Sequence[int],
    tail: float,
    strength: float,
) -> World:
    """A world with fields of those numbers of values. See `simulate` for the formulas."""
    of_user = _fields(rng, "user", user_fields, n_users, rank)
    of_item = _fields(rng, "item", item_fields, n_items, rank)
    activity = 0.2 + rng.lognormal(0.0, 1.0, n_users)
    popularity = rng.permutation(np.arange(1.0, n_items + 1) ** -tail)
    return World(
        user=_factors(rng, n_users, rank, of_user),
        item=_factors(rng, n_items, rank, of_item),
        bias_user=_biases(n_users, of_user),
        bias_item=_biases(n_items, of_item),
        activity=activity / activity.sum(),
        popularity=popularity / popularity.sum(),
        of_user=of_user,
        of_item=of_item,
        context=_fields(rng, "context", context_fields, 0, rank),
        strength=strength,
    )


def draw_rows(rng: np.random.Generator, world: World, n_rows: int, shown: int) -> Rows:
    """Users, items, context codes (n_rows, fields) and utilities of rows whose (user, item) pairs all differ.

    Raises DataError where so many different pairs do not come up.
    """
    rows: tuple[Any, ...] = _distinct(_draw(rng, world, min(CHUNK, n_rows), shown), len(world.item))
    for _ in range(ROUNDS):
        missing = n_rows - len(rows[0])
        if missing <= 0:
            users, items, moments, utility = (column[:n_rows] for column in rows)
            return users, items, moments, utility
        more = _draw(rng, world, min(CHUNK, int(missing * 1.3) + 64), shown)
        both = tuple(np.concatenate([old, new]) for old, new in zip(rows, more, strict=True))
        rows = _distinct(both, len(world.item))
    raise DataError(
        f"only {len(rows[0]):,} different (user, item) pairs came up where n_rows={n_rows:,} were asked for; ask for "
        "fewer rows, more users and items, or a smaller tail",
        n_rows=n_rows,
        found=len(rows[0]),
    )


def _fields(rng: np.random.Generator, owner: str, sizes: Sequence[int], n: int, rank: int) -> tuple[Field, ...]:
    """Every value has about the same number of owners; effects have mean 0 and deviation 1 over the values."""
    return tuple(
        Field(
            f"{owner}_field{number}",
            rng.permutation(np.arange(n) % size),
            _unit(rng.standard_normal((size, 1)))[:, 0],
            _unit(rng.standard_normal((size, rank))),
        )
        for number, size in enumerate(sizes, start=1)
    )


def _unit(values: NDArray[np.float64]) -> Floats:
    """Columns of mean 0 and deviation 1 (0 where there is one row)."""
    centred = values - values.mean(0)
    deviation = centred.std(0)
    return np.asarray(centred / np.where(deviation > 0, deviation, 1), dtype=np.float32)


def _factors(rng: np.random.Generator, n: int, rank: int, fields: tuple[Field, ...]) -> Floats:
    out = rng.standard_normal((n, rank)).astype(np.float32)
    for field in fields:
        out += field.factors[field.codes]
    return np.asarray(out / np.float32((1 + len(fields)) ** 0.5))


def _biases(n: int, fields: tuple[Field, ...]) -> Floats:
    out = np.zeros(n, dtype=np.float32)
    for field in fields:
        out += field.main[field.codes]
    return out


def _distinct(rows: tuple[Any, ...], n_items: int) -> tuple[Any, ...]:
    """The first row of every (user, item) pair, in order."""
    _, first = np.unique(rows[0] * n_items + rows[1], return_index=True)
    first.sort()
    return tuple(column[first] for column in rows)


def _draw(rng: np.random.Generator, world: World, size: int, shown: int) -> Rows:
    """`size` rows: a user, a moment, `shown` items, and the one of them that is chosen."""
    rank = world.user.shape[1]
    users = _places(world.activity, rng.random(size))
    items = _places(world.popularity, rng.random((size, shown)))
    moments = np.empty((size, len(world.context)), dtype=np.int64)
    factors, bias = world.user[users], world.bias_user[users]
    for n, field in enumerate(world.context):
        moments[:, n] = rng.integers(0, len(field.main), size)
        factors += field.factors[moments[:, n]]
        bias += field.main[moments[:, n]]
    taste = np.einsum("nr,nsr->ns", factors, world.item[items]) / np.float32(rank**0.5)
    utility = np.float32(world.strength) * (taste + world.bias_item[items] + bias[:, None])
    chosen = np.argmax(utility + rng.gumbel(size=(size, shown)), 1)
    at = np.arange(size)
    return users, items[at, chosen], moments, utility[at, chosen]


def _places(shares: NDArray[np.float64], uniform: NDArray[np.float64]) -> Codes:
    """Places drawn with those shares."""
    return np.minimum(np.searchsorted(np.cumsum(shares), uniform), len(shares) - 1)
