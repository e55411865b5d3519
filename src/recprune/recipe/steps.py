"""Steps of a pruning on disk: one that stands there already is read, not made again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import nn

import recprune
from recprune import artifact
from recprune.atomic import standing
from recprune.data.dataset import Split
from recprune.evaluation.inputs import example
from recprune.planning.budget import Budget
from recprune.recipe.once import alone, forget, key_of, once
from recprune.recipe.pruned import Pruned, smaller
from recprune.recipe.shelf import read_plan
from recprune.surgery import renumber
from recprune.training.fit import Fit, FitOptions
from recprune.training.samples import checksum

__all__ = ["kept_step", "start_key"]


def start_key(model: nn.Module, split: Split, options: object) -> str:
    """The key of the state before the first step: of the model's numbers, the data with its ids, and the options."""
    parts = {"train": split.train, "valid": split.valid}
    columns = {f"{part}.{name}": values for part, data in parts.items() for name, values in data.columns.items()}
    ids = {name: key_of(list(vocabulary.ids)) for name, vocabulary in split.vocabularies.items()}
    numbers = checksum(model.state_dict().values()), checksum(columns.values())
    return key_of([recprune.__version__, *numbers, list(columns), ids, options])


def kept_step(
    place: Path,
    before: str,
    budget: Budget,
    options: FitOptions,
    model: nn.Module,
    split: Split,
    make: Callable[[FitOptions], Pruned],
) -> tuple[Pruned, str]:
    """The step that stands at `place`, or, where it does not or was made from something else, a new one; and its key.

    before: the key of the step before. make: is given the options, with a checkpoint beside the place. A step that was
    stopped goes on in the middle of its training.
    """
    made: list[Pruned] = []

    def work(key: str) -> None:
        saved = place.with_name(f"{place.name}-{key[:12]}.checkpoint")
        made.append(make(replace(options, checkpoint=saved)))
        _put(place, made[0])
        forget(place.parent, f"{place.name}-*.checkpoint*")

    with alone(place.parent):
        key = once(place.parent, place, before, [budget, replace(options, checkpoint=None)], work)
        return (made[0] if made else _take(place, model, split)), key


def _put(place: Path, made: Pruned) -> None:
    notes = {"fit": None if made.fit is None else made.fit.to_dict()}
    artifact.save(place, made.model, vocabularies=made.vocabularies, plan=made.plan, notes=notes)


def _take(place: Path, model: nn.Module, split: Split) -> Pruned:
    """A step as it was saved, in a model that is cut as its plan says."""
    chosen = read_plan(standing(place) / "plan.json")
    skeleton, _ = smaller(model, chosen, example(model, split), split.vocabularies, split, packed=False)
    loaded = artifact.load(place, skeleton)
    said = loaded.manifest.notes["fit"]
    fit = None if said is None else Fit.from_dict(said)
    return Pruned(loaded.model, chosen, loaded.vocabularies, renumber(chosen), fit)
