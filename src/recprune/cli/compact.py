"""recprune compact: a table of any size, cut to the rows that are worth most."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Out
from recprune.cli._progress import stage
from recprune.errors import BudgetError

__all__ = ["compact"]
PLACE = 14.5


def compact(
    table: Annotated[
        Path,
        typer.Argument(metavar="TABLE", help="A safetensors file with a matrix, of any size; or a folder of shards."),
    ],
    out: Out,
    common: Common,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="How many rows stay.")] = None,
    factor: Annotated[
        float | None, typer.Option("--factor", min=0.0, max=1.0, help="Share of the rows that leave, in their place.")
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            "--scores", help="A .npy file of float32, one a row (of shards: a folder). Default: squared lengths."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="The matrix, where the file has several.")] = None,
    first: Annotated[
        int, typer.Option("--first", min=0, help="So many rows at the beginning stay whatever they are worth.")
    ] = 1,
    engine: Annotated[
        str, typer.Option("--engine", help="Where shards are cut: local (this process) or ray.")
    ] = "local",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Workers of the engine ray.")] = 1,
) -> Answer:
    """Cut a table that is larger than memory; what leaves are the rows of the lowest scores.

    Of a folder, its .safetensors files in the order of their names are the shards of one table, and are cut as one.
    """
    from recprune.cli._show import pairs
    from recprune.large import compact
    from recprune.large.table import read_table

    if (rows is None) == (factor is None):
        raise BudgetError("say either --rows or --factor")
    if not table.is_dir() and (engine, workers) != ("local", 1):
        raise BudgetError("--engine and --workers are for the shards of a folder; this table is one file")
    shards = sorted(table.glob("*.safetensors")) if table.is_dir() else [table]
    before = sum(read_table(shard, name).rows for shard in shards)
    stay = before - round(factor * before) if factor is not None else rows or 0
    if table.is_dir():
        from recprune.scale import Scale
        from recprune.scale.compact import compact_shards

        given = sorted(scores.glob("*.npy")) if scores is not None else None
        with stage("compact"):
            found = compact_shards(
                shards, out, stay, scores=given, name=name, first=first, scale=Scale(engine, workers)
            )
        facts = {"path": str(out), "before": before, "rows": stay, "columns": found[0].columns, "shards": len(found)}
        facts |= {"bytes": sum(one.bytes for one in found), "seed": common.seed}
        return Answer(facts, tuple(pairs(facts)))
    with stage("compact"):
        said = compact(table, out, stay, scores=scores, name=name, first=first)
    facts = {**asdict(said), "path": str(said.path), "seed": common.seed}
    return Answer(facts, tuple(pairs(facts)))
