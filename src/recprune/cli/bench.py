"""recprune bench: which runtime answers fastest here, for every number of rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Model, Own
from recprune.cli._progress import stage

if TYPE_CHECKING:
    from rich.table import Table

    from recprune.artifact.speeds import Speeds

__all__ = ["bench"]
PLACE = 8


def bench(
    model: Model,
    common: Common,
    data: Data = None,
    own: Own = None,
    batch: Annotated[
        list[int] | None, typer.Option("--batch", min=1, help="Rows, or users, of a call; repeat for more.")
    ] = None,
    runtime: Annotated[
        list[str] | None, typer.Option("--runtime", help="Runtime beside eager; repeat for more. Default: all.")
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=5, help="Calls of each, in turn.")] = 200,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0, help="After which no more calls are made of one.")
    ] = 3.0,
    k: Annotated[int, typer.Option("--k", min=1, help="Length of a list, for models that rank.")] = 20,
    keep: Annotated[bool, typer.Option("--record/--no-record", help="Keep what was found in the folder.")] = True,
) -> Answer:
    """Time every runtime that answers as the model does, in turn, and keep in its folder which one is to be used."""
    from recprune.recipe.bench import bench

    with stage("bench") as say:
        found = bench(
            model,
            data,
            own,
            batches=tuple(batch or ()),
            only=tuple(runtime or ()),
            repeats=repeats,
            seconds=seconds,
            seed=common.seed,
            k=k,
            keep=keep,
            say=say,
        )
    facts: dict[str, Any] = {"folder": str(model), "seed": common.seed, "recorded": keep, **asdict(found.speeds)}
    facts |= {"asked": found.asked, "unit": found.unit, "refused": dict(found.refused)}
    shown = [f"{name} is not offered: {reason}" for name, reason in found.refused.items()]
    last = f"{model}: recorded, `recprune serve` goes by it" if keep else "nothing was recorded"
    lists = f"; lists of {k}" if found.unit == "users" else ""
    where = f"{found.speeds.machine}; one thread; {found.asked}{lists}"
    return Answer(facts, (where, _table(found.speeds, found.unit), *shown, last))


def _table(speeds: Speeds, unit: str) -> Table:
    from recprune.cli._show import table

    rows = [
        [size, name, one.median, one.low, one.high, took["eager"].median / one.median, _mark(speeds.use[size] == name)]
        for size, took in speeds.took.items()
        for name, one in took.items()
    ]
    return table([unit, "runtime", "ms a call", "10 %", "90 %", "times eager", "use"], rows)


def _mark(used: bool) -> str:
    return "✓" if used else ""
