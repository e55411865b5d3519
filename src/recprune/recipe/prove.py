"""prove(): what was gained and lost, and what the honest rivals make of the same size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Split
from recprune.evaluation.compare import compare
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.inputs import Renumber
from recprune.planning.held import cut_by_entries
from recprune.recipe.pruned import Pruned
from recprune.recipe.rivals import TRAINED, Rivals, rivals_of, stored_alone
from recprune.recipe.shelf import Shelved
from recprune.recipe.stages import Stage, silent
from recprune.surgery import renumber
from recprune.tracing.build import fingerprint
from recprune.training.usual import usual_options, usual_tuning

__all__ = ["prove"]

NOT_ASKED = "it was not asked for"
NO_PLAN = "it needs the plan that the smaller model was pruned by, made for this larger one"


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
    cases: bool = False,
    stage: Stage = silent,
) -> Comparison:
    """Compare two models on the test part, beside the large one in 8 and 4 bits, which costs nothing.

    rivals: train those of the same size too, by the same trainings (`rivals_of`). They need the plan that the smaller
    model was pruned by, made for this larger one; `Comparison.without` says why one is not there. cases: as in
    `compare`.
    """
    made, own = _rivals(whole, small, split, rivals, seed, stage), whole.codes(split)
    codes = {"before": own, "after": small.codes(split), **dict.fromkeys(made.models, own)}
    codes |= {name: _from(own, then) for name, then in made.codes.items()}
    with stage("compare"):
        found = compare(
            whole.model,
            small.model,
            split,
            rivals=made.models,
            renumber={name: code for name, code in codes.items() if code},
            k=k,
            seed=seed,
            threads=threads,
            repeats=repeats,
            cases=cases,
        )
    return replace(found, without=made.without)


def _rivals(whole: Shelved, small: Shelved, split: Split, trained: bool, seed: int, stage: Stage) -> Rivals:
    """Those that can be made; the trained ones only where they are asked for and the plan is known."""
    chosen = small.plan
    if chosen is None or chosen.survey.fingerprint != fingerprint(whole.model):
        return stored_alone(whole.model, without=dict.fromkeys(TRAINED, NO_PLAN))
    if not trained:
        return stored_alone(whole.model, without=dict.fromkeys(TRAINED, NOT_ASKED))
    pruned = Pruned(small.model, chosen, small.vocabularies, renumber(chosen), None)
    tuned = [work for work in small.works if work.what != "train"]
    tuning, distilled = (
        (tuned[-1].fit_options(), tuned[-1].distilled) if tuned else (usual_tuning(whole.model, split), False)
    )
    works = whole.works or small.works
    first = works[0].fit_options() if works else usual_options(whole.model, split)
    total = max(1, sum(work.epochs for work in small.works))
    options = (
        tuning
        if cut_by_entries(chosen.survey, chosen.encodings)
        else replace(first, epochs=total, patience=total, seed=seed)
    )
    return rivals_of(
        whole.model,
        whole.own(split),
        pruned,
        tuning=tuning,
        options=options,
        distilled=distilled,
        seed=seed,
        stage=stage,
    )


def _from(first: Renumber, then: Renumber) -> dict[str, NDArray[np.int64]]:
    """Two renumberings one after the other."""
    out = {**first, **then}
    return {name: then[name][first[name]] if name in first and name in then else out[name] for name in out}
