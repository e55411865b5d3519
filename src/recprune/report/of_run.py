"""of_run(): the report of a folder that `run` made, written where none of the same models and proof is there."""

from __future__ import annotations

from pathlib import Path

import recprune
from recprune.data.store import sha256
from recprune.recipe.once import key_of, once
from recprune.recipe.served import made_from
from recprune.recipe.stages import Stage, silent
from recprune.report.found import Places, find
from recprune.report.write import write

__all__ = ["of_run"]


def of_run(out: Path, small: Path, own: str | None = None, *, seed: int = 0, stage: Stage = silent) -> Path:
    """The page `out`/report.html, of the smaller model at `small`, the larger one beside it, and `out`/comparison.json.

    own: the class of models that are not ours. Raises what `find` and `write` raise.
    """
    page, proof, big = out / "report.html", out / "comparison.json", small.parent / "big"

    def make(_: str) -> None:
        write(find(Places(small, big, comparison=proof), own=own, seed=seed, stage=stage), page)

    once(out, page, key_of([recprune.__version__, sha256(proof), made_from(big, small)]), [own, seed], make)
    return page
