"""recprune finetune: a pruned model gets back what it lost."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Force, Model, Own, Training
from recprune.cli._progress import stage
from recprune.errors import DataError

__all__ = ["finetune"]
PLACE = 6


def same_ids(folder: Path, found: Mapping[str, object], wanted: Mapping[str, object]) -> None:
    """Raise DataError where a teacher knows other ids than the first one."""
    for name in wanted.keys() & found.keys():
        if found[name] != wanted[name]:
            raise DataError(
                f"{folder} knows other ids of {name} than the first teacher; the mean is of models of the same data",
                column=name,
            )


def finetune(
    model: Model,
    training: Training,
    common: Common,
    data: Data = None,
    own: Own = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(
            "--teacher",
            help="Folder of a larger model: what it says is learned too (--fit distill=). Repeat for several.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where the result goes. Default: in the model's place.")
    ] = None,
    force: Force = False,
) -> Answer:
    """Train a smaller model further; on validation it never ends worse than it began. Weights that are stored in few
    bits learn what these do to them, and are stored so again.

    A model in the folder --out is replaced where it came from this one; another stays, unless --force is said.

    Under torchrun its workers train it together: torchrun --nproc-per-node 4 -m recprune finetune ...
    """
    from recprune.cli._show import pairs
    from recprune.recipe.in_the_way import other_tuned
    from recprune.recipe.restrict import renumbering
    from recprune.recipe.shelf import Work, free, put, take
    from recprune.recipe.stages import epochs, silent
    from recprune.recipe.tuned import tuned
    from recprune.training.mean_of import MeanOf
    from recprune.training.together import joined
    from recprune.training.usual import usual_tuning

    free(out or model)
    if out is not None and not force:
        other_tuned(out, model)
    said, shelved = training.said(common.seed), take(model, own, data)
    split = shelved.split(data)
    larger = [take(folder, own, data) for folder in teacher or ()]
    large = larger[0] if larger else None
    for folder, one in list(zip(teacher or (), larger, strict=True))[1:]:
        same_ids(folder, one.vocabularies, larger[0].vocabularies)
    codes = shelved.codes(split) if large is None else renumbering(large.vocabularies, shelved.vocabularies)
    split = split if large is None else large.own(split)
    options = usual_tuning(shelved.model, split, **said)
    with joined() as workers:
        with (silent if workers.rank else stage)("fine-tune") as say:
            made, fit = tuned(
                shelved.model,
                split,
                options,
                progress=epochs(say, options.epochs),
                renumber=codes,
                teacher=MeanOf.of([one.model for one in larger]) if larger else None,
                workers=workers,
            )
        if workers.rank:
            sys.exit()
    work, where = Work.of("finetune", fit, options, distilled=large is not None), out or model
    works = (*shelved.works, work)
    put(where, replace(shelved, model=made, data=data or shelved.data, works=works), seed=common.seed)
    facts = {"folder": str(where), **work.facts(fit.best_value), "seed": common.seed}
    return Answer(facts, tuple(pairs(facts)))
