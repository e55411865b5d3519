"""find(): everything that the folders of two models, their data and their frontier hold, read and checked."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recprune import artifact
from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.evaluate import task_of
from recprune.evaluation.inputs import ranks
from recprune.importance.fields import FieldImportance, rank_fields
from recprune.planning.plan import Plan
from recprune.recipe.frontier import Frontier
from recprune.recipe.probing import row_batches
from recprune.recipe.shelf import Shelved, take
from recprune.recipe.stages import Stage, silent
from recprune.report.judged import Judged, judged
from recprune.report.kept import comparison_of, frontier_of, plan_of, stops_of
from recprune.report.places import Places
from recprune.report.related import check_related

__all__ = ["Found", "Places", "find"]

ROWS = 8192
"""Rows of validation on which fields are shuffled."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What there is. said: "big" and "small" -> what the folder says of itself. plan: None with a word in `no_plan`.

    stops: step of the frontier -> its plan. split: None where the data is not there. judged: None there, and where
    nothing can be judged on it, with a word in `no_cases`. fields: "before" and "after" -> rises of the loss when a
    field is shuffled, for models of rows. users: how many show their lists.
    """

    whole: Shelved
    small: Shelved
    said: Mapping[str, Mapping[str, Any]]
    places: Places
    plan: Plan | None = None
    no_plan: str = ""
    comparison: Comparison | None = None
    frontier: Frontier | None = None
    stops: Mapping[int, Plan] = field(default_factory=dict)
    split: Split | None = None
    judged: Judged | None = None
    no_cases: str = ""
    fields: Mapping[str, FieldImportance] = field(default_factory=dict)
    users: int = 6
    seed: int = 0

    @property
    def own(self) -> tuple[str, ...]:
        """What commands need to hear of a class that is not ours: --class and its name."""
        model = self.said["big"]
        return ("--class", str(model["model"])) if model["foreign"] else ()

    def command(self, *words: object) -> str:
        """A command on these models, as it is typed."""
        return shlex.join(["recprune", *map(str, words), *self.own])

    @property
    def ranks(self) -> bool:
        """True where the models score all items of a user."""
        return ranks(self.whole.model)


def find(places: Places, *, own: str | None = None, users: int = 6, seed: int = 0, stage: Stage = silent) -> Found:
    """Read the folders, judge both models case by case where their data is there, and shuffle the fields of a click
    model. own: the class of models that are not ours.

    Raises ArtifactError for a folder that is none of a model, DataError for models of other data or of another task,
    and for a comparison or data of other models.
    """
    with stage("read models"):
        whole, small = take(places.big, own, places.data), take(places.small, own, places.data)
        check_related(whole, small)
        said = {"big": artifact.inspect(places.big), "small": artifact.inspect(places.small)}
        plan, no_plan = plan_of(whole, small)
        comparison = comparison_of(places, whole, small, said["small"]["metrics"])
    split = whole.split_if_there(places.data)
    met, fields = None, {}
    no_cases = "" if split is None else _no_cases(whole, split)
    if split is not None and not no_cases:
        with stage("judge case by case"):
            met = judged(whole, small, split, _k(comparison), comparison)
    if split is not None and met is not None and len(split.valid) > 1 and not ranks(whole.model):
        with stage("shuffle the fields"):
            fields = {"before": _rises(whole, split, seed), "after": _rises(small, split, seed)}
    curve = None if places.frontier is None else frontier_of(places.frontier, whole)
    return Found(
        whole=whole,
        small=small,
        said=said,
        places=places.with_data(whole.data),
        plan=plan,
        no_plan=no_plan,
        comparison=comparison,
        frontier=curve,
        stops=stops_of(places, curve),
        split=split,
        judged=met,
        no_cases=no_cases,
        fields=fields,
        users=users,
        seed=seed,
    )


def _no_cases(whole: Shelved, split: Split) -> str:
    """Why nothing can be judged on this data; empty where it can."""
    if not len(split.test):
        return "the test part of the data is empty; prepare it with a share for it"
    try:
        task_of(whole.model, split)
    except DataError as error:
        return str(error)
    return ""


def _k(comparison: Comparison | None) -> int:
    """Length of the lists that were compared."""
    names = () if comparison is None else comparison.before.metrics
    return next((int(k) for _, at, k in (name.partition("@") for name in names) if at), 20)


def _rises(shelved: Shelved, split: Split, seed: int) -> FieldImportance:
    batches, loss = row_batches(shelved.model, shelved.own(split).valid, ROWS, ROWS, seed)
    return rank_fields(shelved.model, batches, loss, repeats=3, seed=seed)
