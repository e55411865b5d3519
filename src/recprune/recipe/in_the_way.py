"""What stands where a model is to be written, when more would be lost than the same command gives again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from recprune import artifact
from recprune.artifact.writing import checksum
from recprune.atomic import standing
from recprune.errors import ArtifactError
from recprune.planning.plan import Plan
from recprune.recipe.shelf import Shelved, take

__all__ = ["other_cut", "other_tuned", "other_work", "same_weights"]


def other_cut(
    folder: Path, whole: Shelved, plan: Plan, own: str | None = None, data: Path | None = None
) -> Shelved | None:
    """The model that stands in the folder, None where nothing does; for `same_weights`, once the cut is made.

    own, data: as for `take`. Raises ArtifactError where it is not of this plan and of the trainings
    of `whole` alone: what would be lost, and the ways out.
    """
    if _empty(folder):
        return None
    try:
        there = take(folder, own, data or whole.data)
    except ArtifactError as error:
        raise _refused(folder, f"a model that cannot be read ({error})") from error
    found = _other(there, whole, plan)
    if found:
        raise _refused(folder, found)
    return there


def same_weights(there: Shelved, made: nn.Module) -> None:
    """Raises ArtifactError where the model that stands there has other weights than the one that was made."""
    if checksum(there.model) != checksum(made):
        raise _refused(there.folder, "a model of this plan with other weights")


def other_work(folder: Path) -> None:
    """Raises ArtifactError where a new model would replace one that was pruned, or trained again after its first
    training: that took several commands. A model as it was trained or imported is replaced."""
    said = _said(folder)
    if said is None:
        return
    if "plan.json" in said["files"]:
        raise _refused(folder, "a model that was pruned")
    works = said["notes"].get("works", [])
    if len(works) > 1:
        raise _refused(folder, f"a model that was trained further ({_words(works[1:])})")


def other_tuned(folder: Path, whole: Path) -> None:
    """Raises ArtifactError where what `whole` becomes by more training would replace a model that is not what it became
    by that before."""
    there, here = _said(folder), _said(whole)
    if there is None or here is None or folder.resolve() == whole.resolve():
        return
    plans = [said["files"].get("plan.json", {}).get("sha256") for said in (there, here)]
    if plans[0] != plans[1]:
        raise _refused(folder, "a model of another plan" if plans[0] else "a model that was not pruned")
    after, before = (said["notes"].get("works", []) for said in (there, here))
    if after[: len(before)] != before:
        raise _refused(folder, f"a model that did not come from {whole}")


def _said(folder: Path) -> dict[str, Any] | None:
    """What the model in a folder says of itself; None where there is none, or it cannot be read."""
    if _empty(folder):
        return None
    try:
        return artifact.inspect(folder)
    except ArtifactError:
        return None


def _empty(folder: Path) -> bool:
    """Whether nothing stands there, nor was set aside by a write that was cut off."""
    there = standing(folder)
    return not there.exists() or not any(there.iterdir())


def _words(works: Sequence[Mapping[str, Any]]) -> str:
    """Trainings, as a model's folder tells them."""
    return ", ".join(f"{work['what']} of {work['epochs']:,} epoch{'s' * (work['epochs'] != 1)}" for work in works)


def _other(there: Shelved, whole: Shelved, plan: Plan) -> str:
    """What is another than the cut of `whole` by the plan; empty where it is that."""
    if there.plan is None:
        return "a model that was not pruned"
    if there.plan.to_json() != plan.to_json():
        return f"a model of another plan ({there.plan.account().share_removed:.1%} removed by {there.plan.rule})"
    if there.works == whole.works:
        return ""
    further = there.works[len(whole.works) :]
    if there.works[: len(whole.works)] == whole.works and further:
        said = _words([asdict(work) for work in further])
        return f"a model of this plan that was trained after it was cut ({said})"
    return f"a model of this plan that was cut from another training than that of {whole.folder}"


def _refused(folder: Path, what: str) -> ArtifactError:
    return ArtifactError(
        f"{folder} holds {what}, and it would be replaced: name another folder with -o, or replace it with --force",
        path=str(folder),
    )
