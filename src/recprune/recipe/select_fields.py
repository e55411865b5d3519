"""select_fields: which columns a click or rating model can do without, when nobody knows how many matter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from recprune.data.dataset import Split
from recprune.data.idle import idle_columns, without_columns
from recprune.errors import DataError
from recprune.evaluation.inputs import columns_of
from recprune.importance.fields import FieldImportance, rank_fields
from recprune.importance.idle_fields import critical_rises, idle_alone, idle_together
from recprune.recipe.probing import row_batches
from recprune.recipe.stages import Stage, silent
from recprune.recipe.trials import BuildAndFit, Trials, judged

__all__ = ["FieldSelection", "Round", "select_fields"]

BATCH = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One measurement and what followed. critical: (names,) a field whose rise is not above it may leave.

    left: the fields that left. gain, standard_error: quality of the model that was trained without them minus that of
    the one before, on validation: AUC where rows have a label, else the fall of the mean squared error (a mean over
    `trainings` of each). undone: it was worse, so they came back.
    """

    importance: FieldImportance
    critical: NDArray[np.float64]
    left: tuple[str, ...]
    gain: float
    standard_error: float
    trainings: int
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
    build_and_fit: BuildAndFit,
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

    build_and_fit(split, seed): a new model, trained on a split that lacks the columns that have left; its test part is
    empty, so that nothing here can look at it. keep: columns that never leave (user and item, where one is recommended
    to the other). rows: of validation, measured `repeats` times.

    1. Columns leave by their values alone (`recprune.data.idle`): constants, unique ids, copies of others.
    2. Each field is shuffled on validation (`rank_fields`). Those whose rise is above 0 at `level`, by Holm's steps
       over all fields, matter; the others may leave (`critical_rises`). Their number is not known to the rule.
    3. Fields that say the same look idle one by one. So those that may leave are shuffled together, and where that
       raises the loss, only as many of the cheapest leave as it does not for.
    4. A model is trained without them and judged beside the one before (`recprune.recipe.trials`). Where it is worse,
       they come back, and from then on at most half as many leave at a time, the cheapest; a single one that is missed
       stays for good. Back to 2.
    5. While the last model is worse than the first in the same sense, its last round comes back.

    Raises DataError for an empty validation part, for a level outside 0.5 to 1, for a column to keep that there is not,
    and for a model that ranks items and takes no fields.
    """
    if not 0.5 < level < 1:
        raise DataError(f"level is how sure a rise is to be, above 0.5 and below 1; got {level!r}", level=level)
    for name in keep:
        if name not in split.train.columns:
            there = ", ".join(split.train.columns)
            raise DataError(f"keep: there is no column {name!r}; there are: {there}", column=name)
    if not len(split.valid):
        raise DataError("fields are measured on validation, and that part is empty: split with a share for it")
    blind = Split(split.train, split.valid, split.test.take(np.zeros(0, dtype=np.int64)))
    with stage("columns that leave by their values") as say:
        idle = idle_columns(blind, keep=keep)
        say(f"{len(idle)} leave")
    search = _Search(build_and_fit, blind, level, repeats, rows, seed, stage)
    states = search.run(search.trained(idle), set(keep))
    while len(states) > 1 and judged(states[0], states[-1], blind.valid, level)[-1]:
        states.pop()
    model, left = states[-1].model, states[-1].left
    return FieldSelection(columns_of(model), left, tuple(search.rounds), model, without_columns(split, left))


class _Search:
    """The rounds of one selection; `rounds` holds what was tried."""

    def __init__(
        self,
        build_and_fit: BuildAndFit,
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

    def trained(self, left: Mapping[str, str]) -> Trials:
        """A model without some columns."""
        return Trials(self._build_and_fit, self._split, left, self._seed, self._stage)

    def run(self, first: Trials, needed: set[str]) -> list[Trials]:
        """All states on the way, from the first on. `needed` takes up what a model was found to miss."""
        states, most = [first], len(columns_of(first.model))
        found, critical, leaving = self._measured(first, needed)
        while leaving:
            leaving = leaving[:most]
            smaller = self.trained({**states[-1].left, **{name: _why(found, critical, name) for name in leaving}})
            gain, error, worse = judged(states[-1], smaller, self._split.valid, self._level)
            self.rounds.append(Round(found, critical, tuple(leaving), gain, error, len(smaller.models), worse))
            if not worse:
                states.append(smaller)
                found, critical, leaving = self._measured(smaller, needed)
                continue
            most = max(len(leaving) // 2, 1)
            needed |= set(leaving if len(leaving) == 1 else ())
            leaving = idle_alone(found, critical, needed)
        return states

    def _measured(
        self, state: Trials, needed: Collection[str]
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


def _why(found: FieldImportance, critical: NDArray[np.float64], name: str) -> str:
    (mean, error), bar = found.of(name), critical[found.names.index(name)]
    return f"shuffled, the loss rises by {mean:.2g} (standard error {error:.2g}), which is not above {bar:.2g}"
