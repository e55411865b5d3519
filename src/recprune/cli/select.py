"""recprune select: which columns a model can do without; prepared data that lack the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Out, Training, settings
from recprune.cli._progress import stage

__all__ = ["select"]
PLACE = 2


def select(
    data: Annotated[Path, typer.Argument(metavar="PREPARED", help="Folder that `prepare` made.")],
    out: Out,
    training: Training,
    common: Common,
    model: Annotated[str, typer.Option("--model", help="A model of rows, or package.module:Class.")] = "deepfm",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Option of the model, as in dim=32; repeat for more."),
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", help="Columns that never leave: a,b,… Default: user and item.")
    ] = None,
    level: Annotated[float, typer.Option("--level", help="How sure a field's worth is to be, 0.5 to 1.")] = 0.95,
) -> Answer:
    """Drop fields that say nothing: shuffle each on validation, train without the idle ones, until all matter.

    How many matter is found, not said. The result is prepared data without the columns that left; test is not read.
    """
    from recprune.cli._show import pairs, table
    from recprune.data.dataset import Split
    from recprune.data.store import load_split, refuse_others, save_split, sources_of
    from recprune.recipe.select_fields import select_fields
    from recprune.recipe.train import train

    refuse_others(out)
    split, chosen = load_split(data), settings(setting or ())
    usual = [name for name in ("user", "item") if name in split.vocabularies]
    held = usual if keep is None else [name.strip() for words in keep for name in words.split(",") if name.strip()]

    def build_and_fit(part: Split, seed: int) -> Any:
        return train(model, part, settings=chosen, options=training.said(seed), stage=stage)[0]

    found = select_fields(build_and_fit, split, keep=held, level=level, seed=common.seed, stage=stage)
    save_split(found.split, out, sources_of(data))
    facts = {
        "folder": str(out),
        "kept": list(found.kept),
        "left": dict(found.left),
        "rounds": len(found.rounds),
        "seed": common.seed,
    }
    rows = [[name, why] for name, why in found.left.items()]
    shown = pairs({"kept": ", ".join(found.kept), "left": len(rows), "folder": str(out)})
    return Answer(facts, (*shown, *([table(["column that left", "why"], rows)] if rows else [])))
