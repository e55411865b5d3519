"""find(): everything that the folders of two models, their data and their frontier hold, read and checked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recprune import artifact
from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.inputs import ranks
from recprune.evaluation.size import size_of
from recprune.importance.fields import FieldImportance, rank_fields
from recprune.planning.plan import Plan
from recprune.recipe.frontier import Frontier
from recprune.recipe.probing import row_batches
from recprune.recipe.shelf import Shelved, read_plan, take
from recprune.recipe.stages import Stage, silent
from recprune.report.judged import Judged, judged
from recprune.tracing.build import fingerprint

__all__ = ["Found", "Places", "find"]

ROWS = 8192
"""Rows of validation on which fields are shuffled."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie, as commands name them. data: where it is or was. comparison, frontier, steps: as they were
    given, None where they were not."""

    small: Path
    big: Path
    data: Path | None = None
    comparison: Path | None = None
    frontier: Path | None = None
    steps: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What there is. said: "big" and "small" -> what the folder says of itself. plan: None with a word in `no_plan`.

    stops: step of the frontier -> its plan. split, judged: None where the data is not there. fields: "before" and
    "after" -> rises of the loss when a field is shuffled, for models of rows. users: how many show their lists.
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
    fields: Mapping[str, FieldImportance] = field(default_factory=dict)
    users: int = 6
    seed: int = 0

    @property
    def ranks(self) -> bool:
        """True where the models score all items of a user."""
        return ranks(self.whole.model)


def find(places: Places, *, own: str | None = None, users: int = 6, seed: int = 0, stage: Stage = silent) -> Found:
    """Read the folders, judge both models case by case where their data is there, and shuffle the fields of a click
    model. own: the class of models that are not ours.

    Raises ArtifactError for a folder that is none of a model, DataError for a comparison or data of other models.
    """
    with stage("read models"):
        whole, small = take(places.big, own, places.data), take(places.small, own, places.data)
        said = {"big": artifact.inspect(places.big), "small": artifact.inspect(places.small)}
        plan, no_plan = _plan(whole, small)
        comparison = _comparison(places, whole, small, said["small"]["metrics"])
    split = whole.split_if_there(places.data)
    met, fields = None, {}
    if split is not None and len(split.test):
        with stage("judge case by case"):
            met = judged(whole, small, split, _k(comparison), comparison)
    if split is not None and len(split.valid) > 1 and not ranks(whole.model):
        with stage("shuffle the fields"):
            fields = {"before": _rises(whole, split, seed), "after": _rises(small, split, seed)}
    curve = None if places.frontier is None else _frontier(places.frontier, whole)
    stops = _stops(places, curve)
    where = Places(
        places.small,
        places.big,
        places.data or _tidy(whole.data),
        places.comparison,
        places.frontier,
        places.steps,
    )
    return Found(whole, small, said, where, plan, no_plan, comparison, curve, stops, split, met, fields, users, seed)


def _plan(whole: Shelved, small: Shelved) -> tuple[Plan | None, str]:
    if small.plan is None:
        return None, "the smaller folder holds no plan"
    if small.plan.survey.fingerprint != fingerprint(whole.model):
        return None, "the plan in the smaller folder was made for another model than the larger one"
    return small.plan, ""


def _comparison(places: Places, whole: Shelved, small: Shelved, kept: Mapping[str, Any]) -> Comparison | None:
    """As given, else as the smaller folder keeps it. Raises DataError where it is of other models."""
    if places.comparison is not None:
        found = Comparison.from_json(_text(places.comparison))
    elif "sides" in kept:
        found = Comparison.from_json(json.dumps(kept))
    else:
        return None
    for shelved, side in ((whole, found.before), (small, found.after)):
        if not found.seeds and size_of(shelved.model) != (side.features, side.network, side.bytes):
            raise DataError(
                f"the comparison is of other models: it says {side.bytes:,} bytes, and {shelved.folder} has "
                f"{size_of(shelved.model)[2]:,}. Compare these: recprune compare {places.big} {places.small} -o "
                "comparison.json",
                path=str(shelved.folder),
            )
    return found


def _frontier(path: Path, whole: Shelved) -> Frontier:
    """Raises DataError for one of another model."""
    found = Frontier.from_json(_text(path))
    first, size = found.points[0], size_of(whole.model)
    if (first.features, first.network, first.bytes) != size:
        raise DataError(
            f"{path} is the frontier of another model: it begins at {first.bytes:,} bytes, and {whole.folder} has "
            f"{size[2]:,}. Make one of this model: recprune frontier {whole.folder} -o frontier.json",
            path=str(path),
        )
    return found


def _k(comparison: Comparison | None) -> int:
    """Length of the lists that were compared."""
    names = () if comparison is None else comparison.before.metrics
    return next((int(k) for _, at, k in (name.partition("@") for name in names) if at), 20)


def _rises(shelved: Shelved, split: Split, seed: int) -> FieldImportance:
    batches, loss = row_batches(shelved.model, shelved.own(split).valid, ROWS, ROWS, seed)
    return rank_fields(shelved.model, batches, loss, repeats=3, seed=seed)


def _stops(places: Places, curve: Frontier | None) -> dict[int, Plan]:
    """The plans of the steps, where they were kept."""
    if places.steps is None or curve is None:
        return {}
    files = {p.step: places.steps / f"step-{p.step}" / "plan.json" for p in curve.points if p.step}
    return {step: read_plan(file) for step, file in files.items() if file.is_file()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", path=str(path)) from error


def _tidy(path: Path | None) -> Path | None:
    return None if path is None else Path(os.path.normpath(path))
