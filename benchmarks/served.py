"""How long a request for a list takes: by torch, and by what `recprune serve` would take after `recprune bench`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import cycle
from typing import NamedTuple

import numpy as np
from torch import nn

from recprune.data.dataset import Split
from recprune.evaluation.inputs import Renumber, known, renumbered
from recprune.evaluation.size import size_of
from recprune.evaluation.speed import compare_calls
from recprune.serving.measure import Requests, measure_lists
from recprune.serving.recommender import Codes, Recommender
from recprune.serving.ways import ways

__all__ = ["Served", "served", "told"]

ASKING = 64
"""Users who ask, one after the other."""
NOTHING: Mapping[str, Renumber | None] = {}
LARGE = 1 << 28
"""Bytes of a model that is not exported any more: torch or a kernel lists it."""


class Served(NamedTuple):
    """Medians in milliseconds of a request, input and list included; the fastest way that lists the same as torch."""

    eager: float
    fastest: float
    way: str


def served(
    models: Mapping[str, nn.Module],
    split: Split,
    k: int,
    *,
    codes: Mapping[str, Renumber | None] = NOTHING,
    repeats: int = 128,
    seconds: float = 10.0,
) -> dict[str, Served]:
    """Time a request of models that rank, all side by side and in turn, with one thread. codes: of models some of whose
    items left, the new ones.

    Each is first served by every way that there is; those that list otherwise are refused, of the others the fastest is
    taken. Then what was taken is timed of all models, each user of a part in turn, and after that torch of all: in one
    turn, what torch decodes for a packed model would push out of the cache what the way after it reads.
    """
    asked = {label: requests(split, k, codes.get(label)) for label in models}
    taken = {label: fastest(model, split, asked[label]) for label, model in models.items()}
    eager, best = (
        compare_calls(
            {label: asking(asked[label], found[place]) for label, found in taken.items()},
            1,
            repeats=repeats,
            threads=1,
            seconds=seconds,
        )
        for place in (0, 1)
    )
    return {label: Served(eager[label].median, best[label].median, way) for label, (_, _, way) in taken.items()}


def told(found: Served | None) -> list[object]:
    """The cells that say how long a request takes, by what, and by torch; none where it was not asked."""
    return [None] * 3 if found is None else [round(found.fastest, 3), found.way, round(found.eager, 3)]


def requests(split: Split, k: int, codes: Renumber | None = None) -> Requests:
    """What users with a history are asked for before the test part, in an order of their own."""
    histories = renumbered(known(split, "test"), codes)
    order = np.random.default_rng(0).permutation(np.flatnonzero(histories.counts()))
    return Requests(order, histories, np.arange(histories.n_users), k)


def fastest(model: nn.Module, split: Split, asked: Requests) -> tuple[Recommender, Recommender, str]:
    """Torch, the fastest way that lists the same, and its name."""
    only = ["kernels"] if size_of(model)[2] > LARGE else []
    ready, refused = ways(model.eval(), asked.histories.n_items, split.train.n_users, only=only)
    found = measure_lists(lambda: (ready, refused), asked, batches=(1,), repeats=32, seconds=2.0)
    way = found.fastest()[1]
    return ready["eager"], ready[way], way


def asking(asked: Requests, way: Recommender) -> Callable[[], object]:
    """A call that asks for another user every time."""
    rows = cycle(asked.rows[:ASKING].tolist())
    return partial(_next, asked, way, rows)


def _next(asked: Requests, way: Recommender, rows: cycle[int]) -> tuple[Codes, object]:
    return asked.one(way, next(rows))
