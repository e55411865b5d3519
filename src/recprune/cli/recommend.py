"""recprune recommend: the lists of everybody, in one file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, K, Model, Out, Own
from recprune.cli._progress import stage
from recprune.errors import DataError

if TYPE_CHECKING:  # read when a command needs it: help is shown without
    from recprune.data.vocabulary import Vocabulary

__all__ = ["recommend"]
PLACE = 12


def recommend(
    model: Model,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder that `prepare` made: who there is.")],
    out: Out,
    common: Common,
    own: Own = None,
    k: K = 20,
    users: Annotated[
        Path | None, typer.Option("--users", help="File with one user id a line. Default: all users of the data.")
    ] = None,
    known: Annotated[
        str, typer.Option("--known", help="What users are known to have had: all, valid (not test), or train alone.")
    ] = "all",
    with_seen: Annotated[bool, typer.Option("--with-seen", help="List also what a user had already.")] = False,
    block: Annotated[int, typer.Option("--block", min=1, help="Users whose lists are held at once.")] = 4096,
) -> Answer:
    """Write the k best items of every user to a .parquet or .csv file; stopped, it goes on where it was.

    Who has no history gets what most users had, and the column `fallback` says so.
    """
    from recprune.cli._place import file_at
    from recprune.cli._show import pairs
    from recprune.recipe.served import made_from, service_of
    from recprune.recipe.shelf import take
    from recprune.serving.lists import write_lists

    file_at(out)
    lines = None if users is None else _lines(users)
    with stage(f"read {model}"):
        shelved = take(model, own, data)
        service = service_of(shelved, shelved.split(data), known)
        asked = None if lines is None or service.known is None else _ids(lines, service.known.users)
    with stage(f"lists of {k}") as say:
        origin = f"{made_from(model, data)} {known}"
        written = write_lists(service, out, k, users=asked, with_seen=with_seen, block=block, made_from=origin, say=say)
    facts = {"out": str(out), "seed": common.seed, **asdict(written)}
    return Answer(facts, tuple(pairs(facts)))


def _ids(lines: list[str], known: Vocabulary) -> list[str]:
    """The ids of lines, to the byte; empty lines say nothing. A carriage return that ends a line is a part of the id
    where the data knows it with that, and of the end of the line elsewhere."""
    there = known.encode(lines)
    ids = (line if code else line.removesuffix("\r") for line, code in zip(lines, there, strict=True))
    return [key for key in ids if key]


def _lines(path: Path) -> list[str]:
    """The lines of a file, without a byte order mark. Raises DataError for what is no UTF-8."""
    try:
        return path.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a list of ids: {error}", path=str(path)) from error
