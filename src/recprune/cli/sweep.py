"""recprune sweep: many models, budgets, rules and seeds, tried side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Out, Own, Training
from recprune.cli._progress import stage

__all__ = ["sweep"]
PLACE = 8.5


def sweep(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="Folders of trained models, of the same data.")
    ],
    out: Out,
    training: Training,
    common: Common,
    data: Data = None,
    own: Own = None,
    factor: Annotated[
        list[float] | None,
        typer.Option("--factor", help="Share of the parameters to remove; repeat. Default: 0.5, 0.8 and 0.9."),
    ] = None,
    size: Annotated[
        list[str] | None, typer.Option("--bytes", metavar="SIZE", help="Most bytes, as in 2MB or 300KiB; repeat.")
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", help="A rule's name, or package.module:Name; repeat. Default: what suits the model."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="So many seeds, from --seed on.")] = 1,
    metric: Annotated[str | None, typer.Option("--metric", help="Headline, as in ndcg@20. Default: the usual.")] = None,
    engine: Annotated[
        str, typer.Option("--engine", help="Where trials are made: local (one by one) or ray (Ray Tune).")
    ] = "local",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Trials at a time, with the engine ray.")] = 1,
) -> Answer:
    """Prune every model by every budget and rule with every seed, and judge all on validation, in one table.

    Trials that stand in the folder --out already are not made again.
    """
    from recprune.cli._budget import read_bytes
    from recprune.cli._place import folder_at
    from recprune.cli._show import table
    from recprune.planning.budget import Budget
    from recprune.recipe.pruned import usual_budget
    from recprune.scale import Scale
    from recprune.scale.sweep import SWEEP, sweep

    folder_at(out)
    budgets = [usual_budget(one) for one in factor or ()] + [Budget(bytes=read_bytes(one)) for one in size or ()]
    found = sweep(
        models,
        out,
        budgets=budgets or None,
        rules=rule or (None,),
        seeds=range(common.seed, common.seed + seeds),
        data=data,
        own=own,
        options=training.said(common.seed),
        metric=metric,
        scale=Scale(engine, workers),
        stage=stage,
    )
    columns = ["", "model", "budget", "rule", "parameters", "bytes", "ms a request", f"validation {found.metric}"]
    rows = [
        [
            "*" if row.point.front else "",
            found.names[row.model],
            row.budget or "as it is",
            row.rule.rpartition(":")[2],
            row.point.features + row.point.network,
            row.point.bytes,
            row.point.request,
            row.point.metrics[found.metric],
        ]
        for row in found.rows
    ]
    refused = [f"{asked}: {why}" for asked, why in found.refused.items()]
    said = f"{len(found.seeds)} seed(s) a row; the test part was not read. The models lie in {out}"
    return Answer({"sweep": str(out / SWEEP), **json.loads(found.to_json())}, (table(columns, rows), *refused, said))
