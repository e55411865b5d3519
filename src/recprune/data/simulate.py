"""A seeded log with known ground truth, so that a test can ask whether pruning found it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.data.dataset import Roles
from recprune.data.log import Log, Rejected
from recprune.data.world import Codes, Floats, World, build_world, draw_rows
from recprune.errors import DataError

__all__ = ["Simulation", "Truth", "simulate"]

Feedback = Literal["implicit", "label", "rating"]
Part = Literal["matters", "redundant", "constant", "unique", "noise"]
Field = tuple[Part, Codes, int]  # the part it plays, one code a row, number of values

SHOWN = 16  # items a user is shown before one of them is chosen (implicit feedback)
YEAR = 31_536_000  # seconds
START = 1_735_689_600  # 2025-01-01 in seconds


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What the simulator knows and a model has to find.

    user_factors (n_users, rank), item_factors (n_items, rank): row `n` belongs to the id `u{n}` (`i{n}`).
    popularity (n_items,): share of the exposures that an item gets.
    fields: field -> the part it plays; copy_of: redundant field -> the field it recodes one to one.
    utility (n_rows,): the noise-free score of each row of the log, in its order; no model can know more.
    """

    user_factors: Floats
    item_factors: Floats
    popularity: NDArray[np.float64]
    fields: Mapping[str, Part]
    copy_of: Mapping[str, str]
    utility: Floats

    def playing(self, *parts: Part) -> tuple[str, ...]:
        """Names of the fields that play one of those parts."""
        return tuple(name for name, part in self.fields.items() if part in parts)


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """A log and what it was made from."""

    log: Log
    truth: Truth


def simulate(
    n_users: int = 1000,
    n_items: int = 500,
    n_rows: int = 50_000,
    rank: int = 8,
    *,
    seed: int = 0,
    feedback: Feedback = "implicit",
    user_fields: Sequence[int] = (4,),
    item_fields: Sequence[int] = (12,),
    context_fields: Sequence[int] = (6,),
    copies: int = 1,
    constants: int = 1,
    uniques: int = 1,
    noise: Sequence[int] = (2, 20, 500),
    tail: float = 0.8,
    strength: float = 1.5,
) -> Simulation:
    """Draw `n_rows` different (user, item) pairs over one year, in time order.

    The utility of user u, item i in the moment c is
        strength * ((p_u + p_c) . q_i / sqrt(rank) + b_u + b_i + b_c)
    where p, q are factors of rank `rank` and unit variance to which every value of a field that matters adds its own
    vector, and the b are main effects of those values. Items are shown with probability (place + 1) ** -tail.
    feedback: "implicit": of 16 items shown one is chosen by softmax of the utility, every row is a positive (so that
    b_u and b_c cancel, and user and context fields matter through the factors only); "label": one is shown, `label` is
    1 with probability sigmoid(utility); "rating": one is shown, `rating` is round(3 + utility / 2 + N(0, 1/2)) in 1..5.
    user_fields, item_fields, context_fields: numbers of values of the fields that matter; a user (an item) has one
    value of each of its fields. copies: one-to-one recodings of each of them. noise: numbers of values of the fields
    that mean nothing; they, constants and uniques (an own value each row) belong to the row.
    Raises DataError where fewer than `n_rows` different pairs can be had.

    >>> simulate(100, 50, 1000, 4, feedback="label").truth.playing("matters")
    ('user_field1', 'item_field1', 'context_field1')
    """
    sizes = {"n_users": n_users, "n_items": n_items, "n_rows": n_rows, "rank": rank}
    _check(sizes, (*user_fields, *item_fields, *context_fields, *noise), feedback)
    rng = np.random.default_rng(seed)
    world = build_world(
        rng,
        n_users,
        n_items,
        rank,
        user_fields=user_fields,
        item_fields=item_fields,
        context_fields=context_fields,
        tail=tail,
        strength=strength,
    )
    users, items, moments, utility = draw_rows(rng, world, n_rows, SHOWN if feedback == "implicit" else 1)
    fields = _real(world, users, items, moments)
    copy_of = {f"{name}_copy{n}": name for name in fields for n in range(1, copies + 1)}
    fields |= {copy: ("redundant", *_recoded(rng, *fields[name][1:])) for copy, name in copy_of.items()}
    fields |= {f"constant{n}": ("constant", np.zeros_like(users), 1) for n in range(1, constants + 1)}
    fields |= {f"unique{n}": ("unique", rng.permutation(n_rows), n_rows) for n in range(1, uniques + 1)}
    fields |= {f"noise{n}": ("noise", rng.integers(0, size, n_rows), size) for n, size in enumerate(noise, start=1)}

    columns = {"user": _ids("u", users, n_users), "item": _ids("i", items, n_items)}
    columns |= _answers(rng, feedback, utility)
    columns["time"] = pl.Series(START + np.sort(rng.integers(0, YEAR, n_rows)))
    columns |= {name: _ids("v", codes, size) for name, (_, codes, size) in fields.items()}
    source = f"simulate({', '.join(f'{k}={v}' for k, v in sizes.items())}, seed={seed}, feedback={feedback!r})"
    log = Log(pl.DataFrame(columns).lazy(), _roles(feedback, world, tuple(fields), copy_of), Rejected(), source)
    parts = {name: part for name, (part, _, _) in fields.items()}
    return Simulation(log, Truth(world.user, world.item, world.popularity, parts, copy_of, utility))


def _check(sizes: Mapping[str, int], cardinalities: Sequence[int], feedback: str) -> None:
    if min(sizes.values()) < 1 or min(cardinalities, default=1) < 1:
        raise DataError(f"sizes and numbers of values are 1 or more; got {dict(sizes)} and {cardinalities}", **sizes)
    if feedback not in ("implicit", "label", "rating"):
        raise DataError(f"feedback is 'implicit', 'label' or 'rating'; got {feedback!r}", feedback=feedback)
    pairs = sizes["n_users"] * sizes["n_items"]
    if sizes["n_rows"] > pairs // 2:
        raise DataError(
            f"n_rows={sizes['n_rows']:,} is more than half of the {pairs:,} pairs of n_users={sizes['n_users']:,} and "
            f"n_items={sizes['n_items']:,}; ask for fewer rows, or more users and items",
            **sizes,
        )


def _real(world: World, users: Codes, items: Codes, moments: Codes) -> dict[str, Field]:
    """The fields that matter, a code for each row."""
    out: dict[str, Field] = {f.name: ("matters", f.codes[users], len(f.main)) for f in world.of_user}
    out |= {f.name: ("matters", f.codes[items], len(f.main)) for f in world.of_item}
    out |= {f.name: ("matters", moments[:, n], len(f.main)) for n, f in enumerate(world.context)}
    return out


def _recoded(rng: np.random.Generator, codes: Codes, size: int) -> tuple[Codes, int]:
    return rng.permutation(size)[codes], size


def _ids(letter: str, codes: Codes, size: int) -> pl.Series:
    """Opaque ids: the letter and the number."""
    return pl.Series([f"{letter}{n}" for n in range(size)], dtype=pl.String).gather(codes)


def _answers(rng: np.random.Generator, feedback: Feedback, utility: Floats) -> dict[str, pl.Series]:
    if feedback == "label":
        chance = 1 / (1 + np.exp(-utility.astype(np.float64)))
        return {"label": pl.Series((rng.random(len(utility)) < chance).astype(np.int8))}
    if feedback == "rating":
        return {"rating": pl.Series(np.clip(np.rint(3 + utility / 2 + rng.normal(0, 0.5, len(utility))), 1, 5))}
    return {}


def _roles(feedback: Feedback, world: World, fields: tuple[str, ...], copy_of: Mapping[str, str]) -> Roles:
    def owned(names: set[str]) -> tuple[str, ...]:
        return tuple(name for name in fields if copy_of.get(name, name) in names)

    return Roles(
        user="user",
        item="item",
        time="time",
        rating="rating" if feedback == "rating" else None,
        label="label" if feedback == "label" else None,
        categorical=fields,
        of_user=owned({f.name for f in world.of_user}),
        of_item=owned({f.name for f in world.of_item}),
    )
