"""select_fields: which columns a click or rating model can do without, when nobody knows how many matter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from torch import nn

from recprune.data.dataset import Split
from recprune.data.idle import idle_columns, without_columns
from recprune.errors import DataError
from recprune.evaluation.clicks import delong
from recprune.evaluation.evaluate import row_scores
from recprune.evaluation.inputs import columns_of, ranks
from recprune.importance.fields import FieldImportance, rank_fields
from recprune.importance.idle_fields import critical_rises, idle_alone, idle_together
from recprune.recipe.probing import row_batches
from recprune.recipe.stages import Stage, silent

__all__ = ["FieldSelection", "Round", "select_fields"]

BATCH = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One measurement and what followed. critical: (names,) a field whose rise is not above it may leave.

    left: the fields that left. gain, standard_error: quality of the model that was trained without them minus that of
    the one before, on validation: AUC where rows have a label, else the fall of the mean squared error. undone: it was
    worse, so they came back.
    """

    importance: FieldImportance
    critical: NDArray[np.float64]
    left: tuple[str, ...]
    gain: float
    standard_error: float
    undone: bool


@dataclass(frozen=True, slots=True, eq=False)
class FieldSelection:
    """kept: the columns of the last model; left: column -> why it left; model: trained on `split`, which lacks them."""

    kept: tuple[str, ...]
    left: Mapping[str, str]
    rounds: tuple[Round, ...]
    model: nn.Module
    split: Split


def select_fields(
    build_and_fit: Callable[[Split], nn.Module],
    split: Split,
    *,
    keep: Collection[str] = (),
    level: float = 0.95,
    repeats: int = 5,
    rows: int = 65_536,
    seed: int = 0,
    stage: Stage = silent,
) -> FieldSelection:
    """Drop what says nothing, train again, measure again, until every field that is left matters.

    build_and_fit: a new model, trained on a split that lacks the columns that have left; its test part is empty, so
    that nothing here can look at it. keep: columns that never leave (user and item, where they are to be recommended
    to and from). rows: of validation, measured `repeats` times.

    1. Columns leave by their values alone (`recprune.data.idle`): constants, unique ids, copies of others.
    2. Each field is shuffled on validation (`rank_fields`). Those whose rise is above 0 at `level`, by Holm's steps
       over all fields, matter; the others may leave (`critical_rises`). Their number is not known to the rule.
    3. Fields that say the same look idle one by one. So those that may leave are shuffled together, and where that
       raises the loss, only as many of the cheapest leave as it does not for.
    4. A model is trained without them. Where its validation AUC (squared error) is below that of the one before by
       more than the paired interval at `level` allows (DeLong et al. 1988), they come back, and from then on at most
       half as many leave at a time, the cheapest; a single one that is missed stays for good. Back to 2.
    5. While the last model is worse than the first in the same sense, its last round comes back.

    Raises DataError for an empty validation part, for a level outside 0.5 to 1, and for a model that ranks items and
    takes no fields.
    """
    if not 0.5 < level < 1:
        raise DataError(f"level is how sure a rise is to be, above 0.5 and below 1; got {level!r}", level=level)
    if not len(split.valid):
        raise DataError("fields are measured on validation, and that part is empty: split with a share for it")
    blind = Split(split.train, split.valid, split.test.take(np.zeros(0, dtype=np.int64)))
    with stage("columns that leave by their values") as say:
        idle = idle_columns(blind, keep=keep)
        say(f"{len(idle)} leave")
    search = _Search(build_and_fit, blind, level, repeats, rows, seed, stage)
    states = search.run(search.trained(idle), set(keep))
    while len(states) > 1 and search.worse(search.apart(states[0], states[-1])):
        states.pop()
    model, left = states[-1].model, states[-1].left
    return FieldSelection(columns_of(model), left, tuple(search.rounds), model, without_columns(split, left))


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """A model, and why which columns have left it."""

    model: nn.Module
    left: Mapping[str, str]


class _Search:
    """The rounds of one selection; `rounds` holds what was tried."""

    def __init__(
        self,
        build_and_fit: Callable[[Split], nn.Module],
        split: Split,
        level: float,
        repeats: int,
        rows: int,
        seed: int,
        stage: Stage,
    ) -> None:
        self._build_and_fit, self._split, self._stage = build_and_fit, split, stage
        self._level, self._repeats, self._rows, self._seed = level, repeats, rows, seed
        self.rounds: list[Round] = []

    def run(self, state: _State, needed: set[str]) -> list[_State]:
        """All states on the way, from the first on. `needed` takes up what a model was found to miss."""
        states, most = [state], len(columns_of(state.model))
        found, critical, leaving = self._measured(state, needed)
        while leaving:
            leaving = leaving[:most]
            why = {name: _why(found, critical, name) for name in leaving}
            smaller = self.trained({**states[-1].left, **why})
            gain, error = self.apart(states[-1], smaller)
            undone = self.worse((gain, error))
            self.rounds.append(Round(found, critical, tuple(leaving), gain, error, undone))
            if not undone:
                states.append(smaller)
                found, critical, leaving = self._measured(smaller, needed)
                continue
            most = max(len(leaving) // 2, 1)
            needed |= set(leaving if len(leaving) == 1 else ())
            leaving = idle_alone(found, critical, needed)
        return states

    def trained(self, left: Mapping[str, str]) -> _State:
        """A model without some columns."""
        with self._stage("train") as say:
            model = self._build_and_fit(without_columns(self._split, left))
            if ranks(model):
                raise DataError(f"{type(model).__name__} ranks items for a user and takes no fields to select from")
            say(f"{len(columns_of(model))} fields")
        return _State(model, left)

    def _measured(
        self, state: _State, needed: Collection[str]
    ) -> tuple[FieldImportance, NDArray[np.float64], list[str]]:
        """Rises, critical rises, and the fields that leave."""
        batches, loss = row_batches(state.model, self._split.valid, self._rows, BATCH, self._seed)
        shuffle = partial(rank_fields, state.model, batches, loss, repeats=self._repeats, seed=self._seed)
        with self._stage("shuffle the fields") as say:
            found = shuffle()
            critical = critical_rises(found, self._level)
            leaving = idle_together(shuffle, idle_alone(found, critical, needed), self._level)
            say(f"{len(leaving)} of {len(found.names)} leave")
        return found, critical, leaving

    def apart(self, before: _State, after: _State) -> tuple[float, float]:
        """Quality of the second model minus that of the first on validation, and its standard error, row by row."""
        first, second = (row_scores(state.model, self._split.valid) for state in (before, after))
        if "label" in self._split.valid.columns:
            return delong(first, second, self._split.valid["label"].astype(np.float64))
        rating = self._split.valid["rating"].astype(np.float64)
        better = (first - rating) ** 2 - (second - rating) ** 2
        return float(better.mean()), float(better.std(ddof=1) / len(better) ** 0.5)

    def worse(self, apart: Sequence[float]) -> bool:
        """Whether a difference is below 0 by more than its standard error explains."""
        return apart[0] < -NormalDist().inv_cdf(self._level) * apart[1]


def _why(found: FieldImportance, critical: NDArray[np.float64], name: str) -> str:
    (mean, error), bar = found.of(name), critical[found.names.index(name)]
    return f"shuffled, the loss rises by {mean:.2g} (standard error {error:.2g}), which is not above {bar:.2g}"
