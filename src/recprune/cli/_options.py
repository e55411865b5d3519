"""Options that several commands share, each said once. A command that takes one of these classes takes its fields."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from recprune.errors import DataError

if TYPE_CHECKING:
    from recprune.training.options import FitOptions

__all__ = ["Common", "Data", "Force", "K", "Model", "Out", "Own", "Threads", "Training", "settings"]

Out = Annotated[Path, typer.Option("--out", "-o", help="Where the result goes.")]
Force = Annotated[bool, typer.Option("--force", help="Replace whatever model stands in the folder --out.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder that `prepare` made. Default: the one the model was trained on."),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a model, made by `train`, `apply` or `run`.")]
Own = Annotated[
    str | None,
    typer.Option("--class", help="Class of a model that is not ours, package.module:Class: its folder runs no code."),
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads while milliseconds are measured.")]
K = Annotated[int, typer.Option("-k", min=1, help="Length of the recommended list.")]


@dataclass(frozen=True, slots=True)
class Common:
    """What every command takes."""

    HEADING: ClassVar[str] = "In every command"

    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON; progress goes to stderr.")] = False
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of all that is drawn.")] = 0
    traceback: Annotated[bool, typer.Option("--traceback", help="On an error, show where it came from.")] = False


@dataclass(frozen=True, slots=True)
class Training:
    """How a model is trained; what is not said is as usual for its kind (of fine-tuning: as `finetune` has it)."""

    HEADING: ClassVar[str] = "Training"

    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Most passes over the training data.")] = None
    fit: Annotated[
        list[str] | None,
        typer.Option("--fit", metavar="NAME=VALUE", help="Further training option, as in lr=0.002; repeat for more."),
    ] = None

    def said(self, seed: int, flag: str = "--fit") -> dict[str, Any]:
        """The options that were said by a flag, and the seed. Raises DataError for an option that there is not."""
        from dataclasses import fields

        from recprune.training.options import FitOptions

        epochs = {} if self.epochs is None else {"epochs": self.epochs}
        said = {"seed": seed, **epochs, **settings(self.fit or (), flag)}
        known = [f.name for f in fields(FitOptions)]
        for name in said:
            if name not in known:
                raise DataError(f"{flag}: no training option {name!r}; there are: {', '.join(known)}", option=name)
        if "checkpoint" in said:
            said["checkpoint"] = Path(said["checkpoint"])
        try:
            FitOptions(**said)
        except TypeError as error:
            raise DataError(f"{flag}: a value of the wrong kind in {said}: {error}", option=said) from error
        return said

    def options(self, seed: int, start: FitOptions) -> FitOptions:
        """`start` with what was said. Raises DataError for an option that there is not."""
        from dataclasses import replace

        return replace(start, **self.said(seed))


def settings(pairs: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """NAME=VALUE pairs; a value that reads as JSON is what it says, any other is text."""
    out: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise DataError(f"{option} takes NAME=VALUE, not {pair!r}", option=option)
        try:
            out[name.strip()] = json.loads(value)
        except ValueError:
            out[name.strip()] = value
    return out
