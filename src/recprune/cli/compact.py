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
PLACE = 14


def compact(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A safetensors file with a matrix, of any size.")],
    out: Out,
    common: Common,
    rows: Annotated[int | None, typer.Option("--rows", min=1, help="How many rows stay.")] = None,
    factor: Annotated[
        float | None, typer.Option("--factor", min=0.0, max=1.0, help="Share of the rows that leave, in their place.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option("--scores", help="A .npy file of float32, one a row. Default: squared lengths.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="The matrix, where the file has several.")] = None,
    first: Annotated[
        int, typer.Option("--first", min=0, help="So many rows at the beginning stay whatever they are worth.")
    ] = 1,
) -> Answer:
    """Cut a table that is larger than memory; what leaves are the rows of the lowest scores."""
    from recprune.cli._show import pairs
    from recprune.large import compact
    from recprune.large.table import read_table

    if (rows is None) == (factor is None):
        raise BudgetError("say either --rows or --factor")
    before = read_table(table, name).rows
    stay = before - round(factor * before) if factor is not None else rows or 0
    with stage("compact"):
        said = compact(table, out, stay, scores=scores, name=name, first=first)
    facts = {**asdict(said), "path": str(said.path), "seed": common.seed}
    return Answer(facts, tuple(pairs(facts)))
