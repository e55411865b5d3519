"""What lies in folders and files of two models: plan, comparison, frontier. Read, and refused where it is of others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recprune.errors import DataError
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.size import size_of
from recprune.planning.plan import Plan
from recprune.recipe.frontier import Frontier
from recprune.recipe.shelf import Shelved, read_plan
from recprune.report.places import Places
from recprune.tracing.build import fingerprint

__all__ = ["comparison_of", "frontier_of", "plan_of", "stops_of"]


def plan_of(whole: Shelved, small: Shelved) -> tuple[Plan | None, str]:
    """The plan that made the smaller model of the larger one, or why there is none."""
    if small.plan is None:
        return None, "the smaller folder holds no plan"
    if small.plan.survey.fingerprint != fingerprint(whole.model):
        return None, "the plan in the smaller folder was made for another model than the larger one"
    return small.plan, ""


def comparison_of(places: Places, whole: Shelved, small: Shelved, kept: Mapping[str, Any]) -> Comparison | None:
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


def frontier_of(path: Path, whole: Shelved) -> Frontier:
    """A frontier from its file. Raises DataError for one of another model."""
    found = Frontier.from_json(_text(path))
    first, size = found.points[0], size_of(whole.model)
    if (first.features, first.network, first.bytes) != size:
        raise DataError(
            f"{path} is the frontier of another model: it begins at {first.bytes:,} bytes, and {whole.folder} has "
            f"{size[2]:,}. Make one of this model: recprune frontier {whole.folder} -o frontier.json",
            path=str(path),
        )
    return found


def stops_of(places: Places, curve: Frontier | None) -> dict[int, Plan]:
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
