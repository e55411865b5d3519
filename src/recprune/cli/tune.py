"""recprune tune: the options of a model, chosen on validation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Out, Training, settings
from recprune.cli._progress import stage

__all__ = ["tune"]
PLACE = 2


def tune(
    data: Annotated[Path, typer.Argument(metavar="PREPARED", help="Folder that `prepare` made.")],
    out: Out,
    training: Training,
    common: Common,
    model: Annotated[str, typer.Option("--model", help="A model's name, or package.module:Class.")],
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Option of the model that is not tuned; repeat for more."),
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Trainings, those of an earlier call counted.")] = 20,
    minutes: Annotated[float | None, typer.Option("--minutes", min=0, help="No training begins later.")] = None,
) -> Answer:
    """Choose the options of a model and of its training on validation; `train --tuned OUT/best.json` takes them.

    What --set, --epochs and --fit say is not tuned. The same call goes on where an earlier one ended. Test is not read.
    """
    from dataclasses import asdict

    from recprune.cli._place import folder_at
    from recprune.cli._show import pairs
    from recprune.data.store import load_split
    from recprune.recipe.tune import BEST
    from recprune.recipe.tune import tune as tuned

    folder_at(out)
    said = training.said(common.seed)
    found = tuned(
        model,
        load_split(data),
        out,
        trials=trials,
        seconds=None if minutes is None else 60 * minutes,
        settings=settings(setting or ()),
        options=said,
        fixed=tuple(said),
        stage=stage,
    )
    facts = {"file": str(out / BEST), **asdict(found)}
    return Answer(facts, tuple(pairs(facts)))
