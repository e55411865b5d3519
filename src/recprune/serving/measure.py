"""measure_lists(): every way to list the items of a model, compared with the model itself, then timed beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import torch
from numpy.typing import NDArray

from recprune.data.dataset import Histories
from recprune.evaluation.speed import Speed, compare_calls
from recprune.runtimes.measure import BATCHES, TURNS, Measured, machine
from recprune.serving.agreement import as_listed, differ
from recprune.serving.recommender import Codes, Listed, Recommender, many_of

__all__ = ["Requests", "calling", "measure_lists"]

COMPARED = 256
"""Users whose lists are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Users to ask for. rows: of `histories`, in the order of the calls; codes: (rows of the histories,) the user code
    of each; k: how long a list is."""

    rows: Codes
    histories: Histories
    codes: Codes
    k: int = 20

    def one(self, recommender: Recommender, row: int) -> Listed:
        """A request of one user, who is not told what they had."""
        starts = self.histories.starts
        history = self.histories.items[starts[row] : starts[row + 1]].astype(np.int64)
        return recommender.lists(int(self.codes[row]), history, self.k, history)

    def several(self, recommender: Recommender, rows: Codes) -> tuple[Codes, NDArray[np.float32]]:
        """The same of several in one call, no more scores held than a block of users has."""
        return many_of(recommender, rows, self.histories, self.codes, self.k, False)


def measure_lists(
    make: Callable[[], tuple[dict[str, Recommender], dict[str, str]]],
    asked: Requests,
    *,
    batches: Sequence[int] = BATCHES,
    repeats: int = 200,
    seconds: float = 3.0,
    say: Callable[[str], None] = lambda words: None,
) -> Measured:
    """Time ways to list side by side, in turn, with one thread, at so many users a call.

    make: gives the ways, `eager` among them, and why others are refused. One whose lists are not the same for users
    of `asked` is refused too. repeats, seconds: as in `compare_speed`.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ready, refused = make()
        wrong = {name: said for name, way in ready.items() if (said := _differs(way, ready["eager"], asked))}
        ready = {name: way for name, way in ready.items() if name not in wrong}
        speeds: dict[int, Mapping[str, Speed]] = {}
        for users in batches:
            say(f"{users:,} users a call")
            calls = {name: calling(way, asked, users) for name, way in ready.items()}
            speeds[users] = compare_calls(calls, users, repeats=repeats, threads=1, seconds=seconds)
    finally:
        torch.set_num_threads(before)
    return Measured(speeds, refused | wrong, machine())


def _differs(way: Recommender, eager: Recommender, asked: Requests) -> str:
    """How lists of some users differ, all at once and one by one; empty where they are the same."""
    rows = asked.rows[:COMPARED]
    found, wanted = asked.several(way, rows), asked.several(eager, rows)
    for place, row in enumerate(rows.tolist()):
        listed = as_listed(wanted[0][place], wanted[1][place])
        said = differ(as_listed(found[0][place], found[1][place]), listed)
        if not said and place < TURNS:
            said = differ(asked.one(way, row), listed)
        if said:
            return f"it lists otherwise than the model for user {row}: {said}"
    return ""


def _turns(rows: Codes, users: int, different: int) -> list[Codes]:
    """Other users in each call."""
    return [np.resize(np.roll(rows, -users * turn), users) for turn in range(different)]


def calling(way: Recommender, asked: Requests, users: int, different: int = TURNS) -> Callable[[], object]:
    """A call for so many users, others with each; after so many `different` calls the first again."""
    turns: Iterator[Codes] = cycle(_turns(asked.rows, users, different))

    def call() -> object:
        rows = next(turns)
        return asked.one(way, int(rows[0])) if len(rows) == 1 else asked.several(way, rows)

    return call
