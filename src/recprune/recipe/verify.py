"""verify(): everything that an artifact says of itself, found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from recprune.artifact.proof import Proof
from recprune.artifact.writing import checksum
from recprune.errors import ArtifactError, RecpruneError
from recprune.recipe.agree import REQUESTS, agree, asks
from recprune.recipe.shelf import Shelved, take
from recprune.recipe.stages import Stage, silent
from recprune.tracing.inputs import call, laid_flat

__all__ = ["Check", "Verified", "verify"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. found: what it is, or what is wrong with it."""

    name: str
    holds: bool
    found: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found. proof: the one that was made anew, None where there was no original to ask."""

    checks: tuple[Check, ...]
    proof: Proof | None

    @property
    def holds(self) -> bool:
        """Whether every check holds."""
        return all(check.holds for check in self.checks)


def verify(
    folder: Path,
    against: Path | None = None,
    data: Path | None = None,
    own: str | None = None,
    *,
    requests: int = REQUESTS,
    seed: int = 0,
    stage: Stage = silent,
) -> Verified:
    """Check an artifact: its bytes, its numbers, its plan, its answers, its proof.

    against: folder of the model that it was pruned from; both are then asked `requests` users or rows of the data (or
    drawn ids), and their answers compared anew. data: a prepared folder, None for the one that it was trained on. own:
    the class of a model that is not ours. Raises ArtifactError where the artifact cannot be loaded at all, and what
    `take` raises.
    """
    with stage("load"):
        small = take(folder, own, data)
    checks = [_stored(folder, small), _planned(small), _answers(small, requests, seed), _proven(small)]
    if against is None:
        return Verified(tuple(checks), None)
    with stage("ask both") as say:
        big = take(against, own, data)
        found, proof = _again(small, big, data, requests, seed)
        say(found[0].found)
    return Verified((*checks, *found), proof)


def _stored(folder: Path, small: Shelved) -> Check:
    numbers = sum(p.numel() for p in small.model.parameters())
    return Check("files", True, f"every file of {folder} is to the byte what the manifest says; {numbers:,} parameters")


def _planned(small: Shelved) -> Check:
    if small.plan is None:
        return Check("plan", True, "it holds no plan: it was not pruned")
    share = small.plan.account().share_removed
    return Check("plan", True, f"the plan fits the weights: {share:.1%} of the parameters left")


def _answers(small: Shelved, requests: int, seed: int) -> Check:
    asked = odd = 0
    if not small.vocabularies or not hasattr(small.model, "columns"):
        return Check("answers", True, "not asked: it holds no vocabularies to draw ids from")
    with torch.no_grad():
        for inputs in asks(small.model, small.vocabularies, None, requests=min(requests, 1000), seed=seed):
            for scores in laid_flat((call(small.model, inputs),)).values():
                odd += int(scores.isnan().sum())
            asked += len(inputs[0])
    said = f"{odd:,} scores are NaN" if odd else "no score is NaN"
    return Check("answers", not odd, f"asked {asked:,} drawn ids: {said}")


def _proven(small: Shelved) -> Check:
    if small.plan is None:
        return Check("proof", True, "it needs none: it was not pruned")
    if small.proof is None:
        return Check("proof", True, "it holds none: it was trained after the cut; --against asks the original")
    return Check("proof", small.proof.holds, small.proof.sentence())


def _again(
    small: Shelved, big: Shelved, data: Path | None, requests: int, seed: int
) -> tuple[tuple[Check, ...], Proof | None]:
    if small.plan is None:
        same = checksum(small.model) == checksum(big.model)
        said = "its weights are those of the other model" if same else "it holds no plan, and other weights"
        return (Check("against", same, said),), None
    try:
        split = big.split_if_there(data)
        coded = None if split is None else big.own(split)
        proof = agree(big.model, small.plan, small.model, big.vocabularies, coded, requests=requests, seed=seed)
    except RecpruneError as error:
        if isinstance(error, ArtifactError):
            raise
        return (Check("against", False, str(error)),), None
    return (Check("against", proof.holds, proof.sentence()), *_repeated(small.proof, proof)), proof


def _repeated(stored: Proof | None, found: Proof) -> Iterator[Check]:
    """Whether the proof that it holds comes out again, where it was asked the same."""
    if stored is None or _question(stored) != _question(found):
        return
    same = (stored.cut.lists, stored.cut.same + stored.cut.tied) == (found.cut.lists, found.cut.same + found.cut.tied)
    near = abs(stored.cut.largest - found.cut.largest) <= found.cut.allowed
    said = "comes out again" if same and near else f"said otherwise: {stored.sentence()}"
    yield Check("stored proof", same and near, f"the proof that it holds {said}")


def _question(proof: Proof) -> tuple[str, int, int]:
    return proof.asked, proof.seed, proof.cut.requests
