"""recprune prepare: a raw log becomes a folder that models learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Out
from recprune.cli._progress import stage
from recprune.cli._source import Making, Parting, Scaling, Source, named
from recprune.errors import DataError

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["prepare"]
PLACE = 1


def prepare(
    given: Annotated[str, typer.Argument(metavar="LOG", help="A file, a folder or a URL with the raw log.")],
    out: Out,
    source: Source,
    parting: Parting,
    making: Making,
    scaling: Scaling,
    common: Common,
) -> Answer:
    """Read, clean, encode and split a raw log; lines that cannot be read are counted and written aside."""
    from recprune.data.store import KIND, refuse_others
    from recprune.recipe.prepare import keep, prepare
    from recprune.recipe.shelf import kind_of

    path = named(given)
    if isinstance(path, Path) and kind_of(path) == KIND:
        raise DataError(f"{path} is prepared already; `recprune train` takes it as it is", path=str(path))
    refuse_others(out)
    by, cleaning, columns = parting.by(common.seed), parting.cleaning(), making.columns(source, path)
    scale = scaling.scale(parting, columns)
    if scale is not None:
        from recprune.scale import prepare_large

        said = prepare_large(out=out, **source.in_parts(path), cleaning=cleaning, by=by, scale=scale, stage=stage)
        facts = {"folder": str(out), "seed": common.seed, **said}
        return Answer(facts, shown(facts))
    with stage(f"read {path}"):
        parts = parting.read(source, path)
    negatives = parting.negatives or 0
    prepared = prepare(**parts, cleaning=cleaning, by=by, negatives=negatives, columns=columns, stage=stage)
    keep(prepared, out)
    facts = {"folder": str(out), "seed": common.seed, **prepared.facts()}
    return Answer(facts, shown(facts))


def shown(facts: Mapping[str, Any]) -> tuple[RenderableType, ...]:
    """The facts as lines."""
    from recprune.cli._show import pairs

    return tuple(pairs({**facts, **({"sources": told(facts["sources"])} if "sources" in facts else {})}))


def told(sources: Sequence[Mapping[str, Any]]) -> str:
    """What was read, in words."""
    read = (f"{one['rows']:,} rows of" if "rows" in one else f"{len(one['files']):,} files of" for one in sources)
    sums = (f", sha256 {one['sha256'][:12]}…" if "sha256" in one else "" for one in sources)
    return "; ".join(f"{what} {one['source']}{how}" for what, one, how in zip(read, sources, sums, strict=True))
