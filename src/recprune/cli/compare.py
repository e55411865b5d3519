"""recprune compare: a model before and after, beside the rivals of the same size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, K, Own, Threads
from recprune.cli._progress import stage

__all__ = ["compare"]
PLACE = 7


def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="Folder of the larger model.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="Folder of the smaller model.")],
    common: Common,
    data: Data = None,
    own: Own = None,
    rivals: Annotated[bool, typer.Option("--rivals/--no-rivals", help="Train the rivals of the same size too.")] = True,
    k: K = 20,
    threads: Threads = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the comparison there, as JSON.")] = None,
) -> Answer:
    """Judge two models on the test part: quality with intervals, bytes, milliseconds, and who lost, beside rivals."""
    from recprune.atomic import write_bytes
    from recprune.cli._other_rows import tell_other_rows
    from recprune.cli._place import file_at
    from recprune.cli._show import compared
    from recprune.recipe.prove import prove
    from recprune.recipe.shelf import take

    whole, small = take(before, own, data), take(after, own, data)
    split = whole.split(data)
    for one in (whole, small):
        tell_other_rows(one, data)
    place = None if out is None else file_at(out)
    found = prove(whole, small, split, rivals=rivals, k=k, seed=common.seed, threads=threads, stage=stage)
    text = found.to_json()
    if place is not None:
        write_bytes(place, text.encode())
    return Answer(json.loads(text), compared(found))
