"""What jobs do for a desk: score, seek, measure and write. What comes of it lies on the desk then."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recprune import artifact
from recprune.errors import ArtifactError, BudgetError
from recprune.planning.plan import Plan
from recprune.recipe.agree import proven
from recprune.recipe.shelf import Work, put
from recprune.studio.job import Job
from recprune.studio.measured import Made, made, measured, tuning_of
from recprune.studio.messages import Apply, Wish
from recprune.studio.scored import scored, steps_of
from recprune.studio.searches import Asked
from recprune.studio.sought import Sought, drops_of, fast, times_of, within
from recprune.studio.told import print_of
from recprune.training.usual import usual_tuning

if TYPE_CHECKING:
    from recprune.studio.desk import Desk

__all__ = ["measure_", "score_", "seek_", "write_"]


def score_(desk: Desk, wish: Wish, job: Job) -> None:
    """Have the rule score the model, or measure what the budget may be, and lay it on the desk."""
    model, split = desk.whole.model, desk.split
    with job.watched():
        if wish.drops:
            desk.searches.drops = drops_of(model, split, stage=job.stage)
            return
        if wish.rule not in desk.scores:
            made = scored(model, split, desk.found, wish.rule, seed=desk.seed, stage=job.stage)
            desk.scores = {**desk.scores, wish.rule: made}
        if wish.stored and desk.steps is None:
            desk.steps = steps_of(model, split, desk.found, seed=desk.seed, stage=job.stage)
    if wish.timed:
        said = desk.scores[wish.rule]
        ends = times_of(model, split, desk.found, said, wish.budget(), stage=job.stage)
        desk.searches.put_times(wish, ends)


def seek_(desk: Desk, wish: Wish, asked: Asked, job: Job) -> None:
    """Find it, or remember why there is none."""
    try:
        desk.searches.put(asked, _sought(desk, wish, asked, job))
    except BudgetError as error:
        desk.searches.put(asked, error)
        raise


def measure_(desk: Desk, wish: Wish, plan: Plan, job: Job) -> dict[str, Any]:
    """Both models judged, as plain data; the smaller one lies on the desk."""
    last = _made(desk, wish, plan, job)
    found = measured(desk.whole.model, desk.split, last, job, k=desk.k, seed=desk.seed, threads=desk.threads)
    facts = {"plan": print_of(plan), "amount": plan.budget.amount, "bytes": plan.file_bytes()}
    return {**facts, "rule": wish.rule, "epochs": wish.epochs, **found}


def write_(desk: Desk, wish: Apply, plan: Plan, place: Path, job: Job) -> dict[str, Any]:
    """The smaller model in a new folder, with its proof. Raises ArtifactError where something stands there by now."""
    last, whole = _made(desk, wish, plan, job), desk.whole
    small = last.pruned
    with job.watched():
        proof = proven(whole.model, plan, small.model, whole.vocabularies, desk.split, seed=desk.seed, stage=job.stage)
    works = whole.works
    if small.fit is not None and last.options is not None:
        works = (*works, Work.of("finetune", small.fit, last.options))
    with job.stage("write"):
        if os.path.lexists(place):
            raise ArtifactError(f"{place} is there already: take another name", path=str(place))
        shelved = replace(
            whole,
            model=small.model,
            vocabularies=small.vocabularies,
            plan=plan,
            works=works,
            proof=proof,
            data=desk.folder,
        )
        put(place, shelved, seed=desk.seed)
    return {
        "folder": str(place),
        "bytes": artifact.inspect(place)["bytes"],
        "proof": "" if proof is None else proof.sentence(),
        "commands": _commands(desk, place),
    }


def _sought(desk: Desk, wish: Wish, asked: Asked, job: Job) -> Sought:
    model, split, budget = desk.whole.model, desk.split, asked.budget
    if wish.timed:
        return fast(model, split, desk.found, desk.scores[wish.rule], budget, stage=job.stage)
    options = usual_tuning(model, split, epochs=asked.epochs, seed=desk.seed)
    with job.watched():
        return within(model, split, wish.rule, budget, options, bits=asked.bits, seed=desk.seed, stage=job.stage)


def _made(desk: Desk, wish: Wish, plan: Plan, job: Job) -> Made:
    """What was found, or made last, if it is that, or a new one."""
    options, last = tuning_of(desk.whole.model, desk.split, wish.epochs, desk.seed), desk.last
    if wish.drops:
        one = desk.searches.of(wish).made
    else:
        one = last if last is not None and last.of(plan, options) else None
    if one is None:
        one = made(desk.whole.model, desk.split, plan, options, job)
    if one is not last:
        desk.last = one
    return one


def _commands(desk: Desk, place: Path) -> Mapping[str, str]:
    """What to do next with a model that was written."""
    beside: list[object] = ["--against", desk.whole.folder, "--data", desk.folder]
    beside += [] if desk.own is None else ["--class", desk.own]
    page = place.with_name(f"{place.name}-report.html")
    lines = {"report": ["report", place, *beside, "-o", page], "verify": ["verify", place, *beside]}
    return {name: shlex.join(["recprune", *map(str, words)]) for name, words in lines.items()}
