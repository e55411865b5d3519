"""recprune verify: everything that a model's folder says of itself, found again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Model, Own
from recprune.cli._progress import stage
from recprune.errors import ArtifactError

__all__ = ["verify"]
PLACE = 8


def verify(
    model: Model,
    common: Common,
    against: Annotated[
        Path | None, typer.Option("--against", help="Folder of the model that it was pruned from: both are asked.")
    ] = None,
    data: Data = None,
    own: Own = None,
    requests: Annotated[int, typer.Option("--requests", min=1, help="Users, or rows, that are asked.")] = 10_000,
) -> Answer:
    """Check a model's folder to the byte, and that it answers as the masked original does; say what differs."""
    from recprune.cli._show import table
    from recprune.recipe.verify import verify

    found = verify(model, against, data, own, requests=requests, seed=common.seed, stage=stage)
    wrong = [check for check in found.checks if not check.holds]
    if wrong:
        raise ArtifactError(
            f"{model} is not what it says: " + "; ".join(f"{check.name}: {check.found}" for check in wrong),
            path=str(model),
        )
    rows = [[check.name, "ok", check.found] for check in found.checks]
    facts = {
        "folder": str(model),
        "seed": common.seed,
        "ok": True,
        "checks": [asdict(check) for check in found.checks],
        "proof": None if found.proof is None else asdict(found.proof),
    }
    return Answer(facts, (table(["what", "", "found"], rows), f"{model}: ok"))
