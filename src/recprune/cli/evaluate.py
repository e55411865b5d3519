"""recprune evaluate: the metrics of a model."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, K, Model, Own

__all__ = ["evaluate"]
PLACE = 8


def evaluate(
    model: Model,
    common: Common,
    data: Data = None,
    own: Own = None,
    part: Annotated[
        str, typer.Option("--part", help="Part of the data: test or valid (for rows also train).")
    ] = "test",
    k: K = 20,
) -> Answer:
    """Judge a model on one part of the data; every metric tells its formula."""
    from recprune.cli._other_rows import tell_other_rows
    from recprune.cli._show import table
    from recprune.evaluation.evaluate import evaluate
    from recprune.recipe.shelf import take

    shelved = take(model, own, data)
    split = shelved.split(data)
    tell_other_rows(shelved, data)
    found = evaluate(shelved.model, split, part, k=k, renumber=shelved.codes(split) or None)
    facts = {"model": str(model), "seed": common.seed, **json.loads(found.to_json())}
    rows = [[name, value, facts["formulas"][name]] for name, value in found.mean.items()]
    title = f"{part}, {len(found.cases):,} {found.unit}s"
    return Answer(facts, (table(["metric", "value", "formula"], rows, title),))
