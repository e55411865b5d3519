"""recprune finetune: a pruned model gets back what it lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Model, Own, Training
from recprune.cli._progress import stage

__all__ = ["finetune"]
PLACE = 6


def finetune(
    model: Model,
    training: Training,
    common: Common,
    data: Data = None,
    own: Own = None,
    teacher: Annotated[
        Path | None,
        typer.Option("--teacher", help="Folder of the larger model: what it says is learned too. See --fit distill=."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where the result goes. Default: in the model's place.")
    ] = None,
) -> Answer:
    """Train a smaller model further; on validation it never ends worse than it began."""
    from recprune.cli._show import pairs
    from recprune.recipe.restrict import renumbering
    from recprune.recipe.shelf import Work, free, put, take
    from recprune.recipe.stages import epochs
    from recprune.recipe.train import TUNING
    from recprune.training.finetune import finetune

    free(out or model)
    shelved, options = take(model, own, data), training.options(common.seed, TUNING)
    split = shelved.split(data)
    large = None if teacher is None else take(teacher, own, data)
    codes = shelved.codes(split) if large is None else renumbering(large.vocabularies, shelved.vocabularies)
    split = split if large is None else large.own(split)
    with stage("fine-tune") as say:
        fit = finetune(
            shelved.model,
            split,
            options,
            progress=epochs(say, options.epochs),
            renumber=codes,
            teacher=None if large is None else large.model,
        )
    work, where = Work.of("finetune", fit, options, distilled=large is not None), out or model
    put(where, replace(shelved, data=data or shelved.data, works=(*shelved.works, work)), seed=common.seed)
    facts = {"folder": str(where), **work.facts(), "seed": common.seed}
    return Answer(facts, tuple(pairs(facts)))
