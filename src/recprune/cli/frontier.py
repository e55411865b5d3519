"""recprune frontier: quality against bytes and milliseconds of one trained model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Model, Out, Own, Training
from recprune.cli._progress import stage

__all__ = ["frontier"]
PLACE = 8


def frontier(
    model: Model,
    out: Out,
    training: Training,
    common: Common,
    data: Data = None,
    own: Own = None,
    factor: Annotated[
        list[float] | None,
        typer.Option("--factor", help="Share of the parameters that has left at a stop; repeat, rising. Default: 8."),
    ] = None,
    encoding: Annotated[
        list[str] | None,
        typer.Option("--encoding", help="Store each stop in this way too; repeat. Default: int8_rows, int4_rows."),
    ] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="A rule's name, or package.module:Name.")] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="Headline, as in ndcg@20. Default: the usual.")] = None,
    distill: Annotated[bool, typer.Option("--distill", help="Learn what the large model says too.")] = False,
    steps: Annotated[
        Path | None, typer.Option("--steps", help="Keep the models of all stops in this folder, and go on from there.")
    ] = None,
) -> Answer:
    """Prune a trained model further and further and judge every stop on validation, in one run.

    The fine-tuning of all stops together takes --epochs (default: as many as the model was trained for).
    """
    from recprune.atomic import write_bytes
    from recprune.cli._place import file_at, folder_at
    from recprune.cli._show import drawn
    from recprune.recipe.frontier import ENCODINGS, frontier
    from recprune.recipe.shelf import take
    from recprune.training.usual import usual_options

    if steps is not None:
        folder_at(steps)
    shelved = take(model, own, data)
    own_data = shelved.own(shelved.split(data))
    start = shelved.works[0].fit_options() if shelved.works else usual_options(shelved.model, own_data)
    place = file_at(out)
    found = frontier(
        shelved.model,
        own_data,
        factors=factor,
        encodings=ENCODINGS if encoding is None else encoding,
        rule=rule,
        metric=metric,
        options=training.options(common.seed, start),
        distilled=distill,
        folder=steps,
        seed=common.seed,
        stage=stage,
    )
    text = found.to_json()
    write_bytes(place, text.encode())
    return Answer({"frontier": str(out), **json.loads(text)}, drawn(found))
