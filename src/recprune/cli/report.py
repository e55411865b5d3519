"""recprune report: what was asked, what it cost and who lost, in one file to read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Own
from recprune.cli._progress import stage

__all__ = ["report"]
PLACE = 8


def report(
    small: Annotated[Path, typer.Argument(metavar="SMALL", help="Folder of the smaller model.")],
    against: Annotated[Path, typer.Option("--against", metavar="BIG", help="Folder of the model it was pruned from.")],
    common: Common,
    data: Data = None,
    own: Own = None,
    comparison: Annotated[
        Path | None,
        typer.Option("--comparison", help="What `compare` wrote. Default: what the folder keeps."),
    ] = None,
    frontier: Annotated[
        Path | None, typer.Option("--frontier", help="What `frontier` wrote, to be drawn with the two models.")
    ] = None,
    steps: Annotated[
        Path | None, typer.Option("--steps", help="Folder that `frontier --steps` kept: the plan of every stop.")
    ] = None,
    users: Annotated[
        int, typer.Option("--users", min=0, help="Users (or rows) that are shown before and after; 0: no ids at all.")
    ] = 6,
    form: Annotated[
        str, typer.Option("--format", help="html, md, json and card (a model card), with commas between them.")
    ] = "html",
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the page goes; other formats beside it.")] = Path(
        "report.html"
    ),
) -> Answer:
    """Write one self-contained page: what was asked, before and after, the frontier, and who lost.

    What neither the folders nor their data hold is left out, with a line on how to get it. The page loads nothing from
    anywhere; it shows ids of some users and items of the data unless --users 0 is said.
    """
    from recprune.report import find, write
    from recprune.report.found import Places

    places = Places(small, against, data, comparison, frontier, steps)
    found = find(places, own=own, users=users, seed=common.seed, stage=stage)
    files = write(found, out, [name.strip() for name in form.split(",") if name.strip()])
    facts = {"files": {name: str(file) for name, file in files.items()}, "seed": common.seed}
    return Answer(facts, tuple(f"{file} ({file.stat().st_size:,} bytes)" for file in files.values()))
