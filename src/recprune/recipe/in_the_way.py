"""What stands where a cut model is to be written, when it is not what the same cut would give."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from recprune.artifact.writing import checksum
from recprune.errors import ArtifactError
from recprune.planning.plan import Plan
from recprune.recipe.shelf import Shelved, take

__all__ = ["other_cut"]


def other_cut(
    folder: Path, whole: Shelved, plan: Plan, own: str | None = None, data: Path | None = None
) -> Shelved | None:
    """The model that stands in the folder, None where nothing does; for `same_weights`, once the cut is made.

    own, data: as for `take`. Raises ArtifactError where it is not of this plan and of the trainings
    of `whole` alone: what would be lost, and the ways out.
    """
    if not folder.exists() or not any(folder.iterdir()):
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
        said = ", ".join(f"{work.what} of {work.epochs:,} epoch{'s' * (work.epochs != 1)}" for work in further)
        return f"a model of this plan that was trained after it was cut ({said})"
    return f"a model of this plan that was cut from another training than that of {whole.folder}"


def _refused(folder: Path, what: str) -> ArtifactError:
    return ArtifactError(
        f"{folder} holds {what}, and it would be replaced: name another folder with -o, or replace it with --force",
        path=str(folder),
    )
