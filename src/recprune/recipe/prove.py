"""prove(): what was gained and lost, and what the honest rivals make of the same size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from recprune.data.dataset import Split
from recprune.evaluation.compare import compare
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.inputs import Renumber
from recprune.planning.plan import Plan
from recprune.recipe.pruned import Pruned
from recprune.recipe.rivals import by_chance, from_scratch
from recprune.recipe.shelf import Shelved
from recprune.recipe.stages import Stage, silent
from recprune.recipe.train import TUNING
from recprune.surgery import renumber
from recprune.tracing.build import fingerprint
from recprune.training.fit import FitOptions

__all__ = ["prove"]


def prove(
    whole: Shelved,
    small: Shelved,
    split: Split,
    *,
    rivals: bool = True,
    k: int = 20,
    seed: int = 0,
    threads: int | None = None,
    repeats: int = 50,
    stage: Stage = silent,
) -> Comparison:
    """Compare two models on the test part; with `rivals` those of the same size are made first, by the same trainings.

    The rivals need the plan that the smaller model was pruned by, made for this larger one; without it they are left
    out.
    """
    models: dict[str, nn.Module] = {}
    codes: dict[str, Renumber] = {"before": whole.codes(split), "after": small.codes(split)}
    if rivals and small.plan is not None and small.plan.survey.fingerprint == fingerprint(whole.model):
        for name, rival in _rivals(whole, small, small.plan, split, seed, stage).items():
            models[name], codes[name] = rival.model, _from(codes["before"], rival.renumber)
    with stage("compare"):
        return compare(
            whole.model,
            small.model,
            split,
            rivals=models,
            renumber={name: code for name, code in codes.items() if code},
            k=k,
            seed=seed,
            threads=threads,
            repeats=repeats,
        )


def _rivals(whole: Shelved, small: Shelved, chosen: Plan, split: Split, seed: int, stage: Stage) -> dict[str, Pruned]:
    own = whole.own(split)
    tuned = [work for work in small.works if work.what != "train"]
    tuning, distilled = (tuned[-1].fit_options(), tuned[-1].distilled) if tuned else (TUNING, False)
    first = (whole.works or small.works)[0].fit_options() if (whole.works or small.works) else FitOptions()
    total = max(1, sum(work.epochs for work in small.works))
    pruned = Pruned(small.model, chosen, small.vocabularies, renumber(chosen), None)
    options = (
        tuning if "item_item" in chosen.encodings.values() else replace(first, epochs=total, patience=total, seed=seed)
    )
    with stage("rival: random pruning"):
        chance = by_chance(whole.model, own, pruned, options=tuning, distilled=distilled, seed=seed)
    with stage("rival: same size from scratch"):
        scratch = from_scratch(whole.model, own, pruned, options=options, seed=seed)
    return {"random": chance, "from scratch": scratch}


def _from(first: Renumber, then: Renumber) -> dict[str, NDArray[np.int64]]:
    """Two renumberings one after the other."""
    out = {**first, **then}
    return {name: then[name][first[name]] if name in first and name in then else out[name] for name in out}
