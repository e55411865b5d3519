"""recprune apply: a model and a plan become a new, smaller model."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Force, Model, Out, Own
from recprune.cli._progress import stage

__all__ = ["apply"]
PLACE = 5


def apply(
    model: Model,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="Plan that `plan` wrote.")],
    out: Out,
    common: Common,
    data: Data = None,
    own: Own = None,
    force: Force = False,
) -> Answer:
    """Cut a model as a plan says, prove it against the masked one, and write the smaller model.

    A model that stands in the folder --out is replaced only where it is the same cut: what was trained further or
    comes from another plan stays, unless --force is said.
    """
    from recprune.cli._show import planned
    from recprune.recipe.agree import proven
    from recprune.recipe.in_the_way import other_cut, same_weights
    from recprune.recipe.pruned import smaller
    from recprune.recipe.shelf import free, put, read_plan, take

    free(out)
    shelved, chosen = take(model, own, data), read_plan(plan)
    there = None if force else other_cut(out, shelved, chosen, own, data)
    split = shelved.split_if_there(data)
    coded = None if split is None else shelved.own(split)
    with stage("apply"):
        made, vocabularies = smaller(shelved.model, chosen, shelved.example(split), shelved.vocabularies, coded)
    if there is not None:
        same_weights(there, made)
    proof = proven(shelved.model, chosen, made, shelved.vocabularies, coded, seed=common.seed, stage=stage)
    small = replace(shelved, model=made, vocabularies=vocabularies, data=data or shelved.data, plan=chosen, proof=proof)
    put(out, small, seed=common.seed)
    facts, shown = planned(chosen)
    return Answer({"folder": str(out), "seed": common.seed, **facts, "proof": proof and asdict(proof)}, shown)
