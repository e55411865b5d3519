"""recprune estimate: what pruning a model would cost that is known by its sizes alone."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, settings

__all__ = ["estimate"]
PLACE = 4.5


def estimate(
    model: Annotated[str, typer.Argument(metavar="NAME", help="A model's name, or package.module:Class.")],
    common: Common,
    rows: Annotated[
        list[str],
        typer.Option(
            "--rows", metavar="COLUMN=ROWS", help="Rows of a column's table, as in user=1000000; 0 for numbers; repeat."
        ),
    ],
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Option of the model, as in dim=32; repeat for more."),
    ] = None,
    factor: Annotated[
        float | None, typer.Option("--factor", help="Share of the parameters to remove. Default: 0.5.")
    ] = None,
    bytes: Annotated[
        str | None, typer.Option("--bytes", metavar="SIZE", help="Most bytes of all tensors, as in 20GB.")
    ] = None,
    shards: Annotated[int, typer.Option("--shards", min=1, help="Files that each table lies in.")] = 1,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Workers that cut them.")] = 1,
) -> Answer:
    """Plan on paper: parameters and bytes before and after, bytes moved and memory a worker; no model is loaded.

    Ids leave, the same share of those of every table: which ones, `plan` says, with a model.
    """
    from recprune.cli._budget import read_bytes
    from recprune.errors import BudgetError
    from recprune.scale.paper import on_paper

    if factor is not None and bytes is not None:
        raise BudgetError("say --factor or --bytes, not both")
    found = on_paper(
        model,
        _rows(rows),
        settings=settings(setting or ()),
        factor=0.5 if factor is None and bytes is None else factor,
        bytes=None if bytes is None else read_bytes(bytes),
        shards=shards,
        workers=workers,
    )
    facts = {"model": model, **found.to_dict()}
    return Answer(facts, _shown(facts))


def _rows(said: list[str]) -> dict[str, int]:
    """Column -> rows. Raises DataError where it is no number of rows."""
    from recprune.errors import DataError

    found = settings(said, "--rows")
    for column, number in found.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 0 or number == 1:
            raise DataError(f"--rows takes COLUMN=ROWS, row 0 included, not {column}={number}", column=column)
    return found


def _shown(facts: dict[str, Any]) -> tuple[Any, ...]:
    from recprune.cli._show import TOTALS, table

    totals = [[name, facts[f"{part}_before"], facts[f"{part}_after"]] for name, part in TOTALS.items()]
    cost, names = facts["cost"], ("read", "written", "sent", "each", "memory")
    lines = {**facts["tables"], **({"all tables": cost} if len(facts["tables"]) > 1 else {})}
    costs = [[tensor, *(_size(one[name]) for name in names)] for tensor, one in lines.items()]
    told = f"{facts['share_removed']:.1%} of the parameters leave, with {facts['share']:.1%} of the ids that can"
    shared = (
        f"Tables in {facts['shards']:,} files, {cost['workers']:,} workers; each: what one reads and writes, and holds"
    )
    columns = ["", "read", "written", "sent", "each", "memory"]
    return told, table(["", "before", "after"], totals), table(columns, costs, shared)


def _size(number: int) -> str:
    """Bytes as people say them."""
    for unit, ten in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= ten:
            return f"{number / ten:,.3g} {unit}" if number < 1000 * ten else f"{number / ten:,.0f} {unit}"
    return f"{number} B"
