"""A word where a model is judged on data that it was not trained on: it may have seen the answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from recprune.recipe.shelf import Shelved

__all__ = ["tell_other_rows"]


def tell_other_rows(shelved: Shelved, data: Path | None) -> None:
    """Says on stderr that the rows to learn from are others at `data` than where the model was trained.

    Nothing is said where the folder of then is gone, or its rows are the same: they are known by their checksums.
    """
    from recprune.data.store import manifest_of

    if data is None or shelved.data is None or not (shelved.data / "manifest.json").is_file():
        return
    there, then = (manifest_of(folder)["files"]["train.parquet"]["sha256"] for folder in (data, shelved.data))
    if there != then:
        typer.echo(
            f"Mind: {data} has other training rows than {shelved.data}, where {shelved.folder} was trained; what is "
            "judged here may have been seen by the model.",
            err=True,
        )
