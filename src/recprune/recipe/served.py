"""A model's folder and its data, as what serves lists or scores."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recprune import artifact
from recprune.artifact.manifest import MANIFEST
from recprune.data.dataset import Split
from recprune.errors import ArtifactError
from recprune.evaluation.inputs import ranks
from recprune.recipe.shelf import Shelved, drawn, take
from recprune.runtimes.asking import arrays
from recprune.runtimes.choice import Chosen, chosen
from recprune.serving.fast import recommender_of
from recprune.serving.known import known_of
from recprune.serving.offer import Offer
from recprune.serving.recommender import Recommender
from recprune.serving.scorer import Scorer
from recprune.serving.service import Service
from recprune.serving.ways import recorded
from recprune.surgery import renumber

__all__ = ["made_from", "offer_of", "runs_of", "scorer_of", "service_of"]

log = logging.getLogger("recprune.serving")


def service_of(shelved: Shelved, split: Split | None, known: str = "all") -> Service:
    """What gives lists. split: who there is and what they had, None for a service without data; known: how much of it.

    Raises ArtifactError for a model that was stored without its items, DataError for data that it was not made for, or
    for a model of rows.
    """
    items = shelved.vocabularies.get("item")
    if items is None:
        raise ArtifactError(
            f"{shelved.folder} was stored without the ids of its items; store it with vocabularies=split.vocabularies",
            path=str(shelved.folder),
        )
    users = shelved.vocabularies.get("user")
    recommender = _lists_of(shelved, len(items), 1 if users is None else len(users))
    if split is None:
        return Service(recommender, items, None, users)
    left = shelved.plan is not None and "user" in renumber(shelved.plan)
    return Service(recommender, items, known_of(split, shelved.codes(split), known), shared=left)


def _lists_of(shelved: Shelved, n_items: int, n_users: int) -> Recommender:
    """What lists items, by the record of `recprune bench` where there is one."""
    if shelved.speeds is None:
        return recommender_of(shelved.model, n_items, n_users)
    found = recorded(shelved.model, shelved.speeds.use, n_items, n_users)
    _warn(found.refused)
    return found


def _warn(refused: Mapping[str, str]) -> None:
    for name, reason in refused.items():
        log.warning("the runtime %s was measured to be the fastest, and is not taken: %s", name, reason)


def scorer_of(shelved: Shelved) -> Scorer:
    """What gives probabilities of rows, by the runtimes that `recprune bench` has recorded, where it has."""
    many = getattr(shelved.model, "config", {}).get("multi", ())
    runs = runs_of(shelved)
    _warn({} if runs is None else runs.refused)
    return Scorer(shelved.model, shelved.vocabularies, frozenset(many), runs)


def runs_of(shelved: Shelved) -> Chosen | None:
    """What runs the model by the record in its folder, compared with it on drawn rows; None without a record."""
    if shelved.speeds is None:
        return None
    return chosen(shelved.model, shelved.speeds.use, arrays(drawn(shelved.model, shelved.vocabularies, 256)))


def offer_of(
    folder: Path, data: Path | None = None, against: Path | None = None, known: str = "all", own: str | None = None
) -> Offer:
    """What a server offers of a model's folder, read whole and checked.

    data: who there is and what they had; None takes the folder that the model was trained on, where it still is.
    against: a second model of the same data, to be compared with. Raises ArtifactError where a folder is damaged or
    `against` goes with a model of rows, DataError where the data does not fit.
    """
    shelved = take(folder, own, data)
    if not ranks(shelved.model):
        if against is not None:
            raise ArtifactError(f"{folder} scores rows and gives no lists that {against} could stand beside")
        return Offer(scorer=scorer_of(shelved), about={"lists": False, **_about(folder, None)})
    split = shelved.split_if_there(data)
    service = service_of(shelved, split, known)
    beside = None if against is None else service_of(take(against, own, data), split, known)
    return Offer(service, beside, None, {"lists": True, **_about(folder, against)})


def _about(folder: Path, against: Path | None) -> dict[str, Any]:
    """What a person wants to know of the models that are served."""

    def facts(path: Path) -> dict[str, Any]:
        said = artifact.inspect(path)
        return {name: said[name] for name in ("model", "parameters", "bytes")}

    return {"model": facts(folder), "against": None if against is None else facts(against)}


def made_from(*folders: Path) -> str:
    """What tells these folders apart from all others: a sha256 over their manifests, which seal all that they hold."""
    return hashlib.sha256(b"".join(hashlib.sha256((f / MANIFEST).read_bytes()).digest() for f in folders)).hexdigest()
