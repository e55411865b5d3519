"""recprune train: a model by its name, trained on prepared data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Force, Out, Training, settings
from recprune.cli._progress import stage

__all__ = ["train"]
PLACE = 2


def train(
    data: Annotated[Path, typer.Argument(metavar="PREPARED", help="Folder that `prepare` made.")],
    out: Out,
    training: Training,
    common: Common,
    model: Annotated[
        str | None, typer.Option("--model", help="A model's name, or package.module:Class. Default: ease.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Option of the model, as in dim=32; repeat for more."),
    ] = None,
    tuned: Annotated[
        Path | None, typer.Option("--tuned", help="Model and options that `tune` found; other flags go before it.")
    ] = None,
    shard_tables: Annotated[
        str | None,
        typer.Option(
            "--shard-tables",
            metavar="BYTES",
            help="Under torchrun, tables above this size, as 1GB, lie in shards with the workers.",
        ),
    ] = None,
    force: Force = False,
) -> Answer:
    """Train a recommender on prepared data; it stops when validation no longer improves.

    A model in the folder --out is replaced, but one that was pruned or trained further stays, unless --force is said.
    Under torchrun its workers train it together: torchrun --nproc-per-node 4 -m recprune train ...
    """
    from recprune.cli._budget import read_bytes
    from recprune.cli._show import pairs
    from recprune.data.store import load_split
    from recprune.recipe.in_the_way import other_work
    from recprune.recipe.shelf import Shelved, Work, free, put
    from recprune.recipe.stages import silent
    from recprune.recipe.train import train
    from recprune.recipe.tune import Tuned
    from recprune.training.together import joined
    from recprune.training.usual import settled

    best = None if tuned is None else Tuned.read(tuned)
    said = training.options(common.seed, best.options) if best else training.said(common.seed)
    free(out)
    if not force:
        other_work(out)
    split = load_split(data)
    name = model or (best.model if best else "ease")
    chosen = {**(best.settings if best and name == best.model else {}), **settings(setting or ())}
    with joined() as workers:
        shown = silent if workers.rank else stage
        over = None if shard_tables is None else read_bytes(shard_tables, "--shard-tables")
        made, fit = train(name, split, settings=chosen, options=said, stage=shown, workers=workers, over=over)
        if workers.rank:
            sys.exit()
    work = Work.of("train", fit, settled(made, split, said))
    put(out, Shelved(out, made, split.vocabularies, None, (work,), data, chosen), seed=common.seed)
    facts = {
        "folder": str(out),
        "model": name,
        "parameters": sum(p.numel() for p in made.parameters()),
        **work.facts(fit.best_value),
        "seed": common.seed,
    }
    return Answer(facts, tuple(pairs(facts)))
