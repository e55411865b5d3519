"""recprune inspect: what a folder or a plan holds, without reading weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["inspect"]
PLACE = 14
WORK = ("what", "epochs", "best_epoch", "seconds", "metric")


def inspect(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A model's folder, a prepared folder, or a plan.")],
    common: Common,
) -> Answer:
    """Say what a model's folder, a prepared folder or a plan holds."""
    from recprune.cli._show import pairs, planned
    from recprune.data.store import KIND, load_split
    from recprune.recipe.shelf import kind_of, read_plan

    if path.is_file():
        facts, shown = planned(read_plan(path))
        return Answer({"seed": common.seed, **facts}, shown)
    if kind_of(path) == KIND:
        from recprune.recipe.prepare import counts

        facts = {"folder": str(path), "seed": common.seed, **counts(load_split(path))}
        return Answer(facts, tuple(pairs(facts)))
    return _model(path, common)


def _model(path: Path, common: Common) -> Answer:
    from recprune.artifact import inspect
    from recprune.cli._show import pairs, table
    from recprune.encodings.folded import in_short

    said: dict[str, Any] = inspect(path)
    names = ("model", "version", "columns", "parameters", "bytes", "encodings", "seeds")
    facts = {"folder": str(path), **{name: said[name] for name in names}}
    facts["encodings"] = in_short(said["encodings"])
    facts["bytes of"] = ", ".join(f"{name} {size:,}" for name, size in said["bytes_of"].items())
    facts["vocabularies"] = list(said["vocabularies"])
    facts["trained on"] = said["notes"].get("data")
    works = [
        [w["what"], w["epochs"], w["best_epoch"], w["seconds"], w["metric"]] for w in said["notes"].get("works", ())
    ]
    tensors = [[name, tensor["dtype"], list(tensor["shape"])] for name, tensor in said["tensors"].items()]
    rows = [[name, dtype, " × ".join(f"{n:,}" for n in shape) or "one number"] for name, dtype, shape in tensors]
    shown: list[RenderableType] = [*pairs(facts), table(["tensor", "type", "shape"], rows)]
    return Answer({"seed": common.seed, **said}, tuple([*shown, table(WORK, works)] if works else shown))
