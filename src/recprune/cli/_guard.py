"""What every command has in common: it answers with a value, and it fails with one clear message."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_type_hints

import typer

from recprune.cli._options import Common
from recprune.errors import RecpruneError, SurgeryError

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Answer", "guarded"]

PIPED = 1000
"""Columns of what is no terminal: a row of a table is one line there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found: `data` for programs (--json), `shown` for people, in this order."""

    data: dict[str, Any]
    shown: tuple[RenderableType, ...]


def guarded(command: Callable[..., Answer]) -> Callable[..., None]:
    """The command as typer takes it: prints its answer, and turns errors into one message and an exit code.

    A parameter whose type is a dataclass stands for the options that are its fields, under its HEADING in the help;
    those of every command come last. Exit codes: 0 done, 2 wrong usage
    or bad input, 1 anything else. With --traceback or RECPRUNE_DEBUG=1 the traceback is shown as well.
    """
    hints = get_type_hints(command, include_extras=True)
    bundles: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint) and name != "return"}

    @functools.wraps(command)
    def call(**options: Any) -> None:
        given = {name: kind(**{f.name: options.pop(f.name) for f in fields(kind)}) for name, kind in bundles.items()}
        common: Common = given["common"]
        try:
            _print(command(**options, **given), common)
        except Exception as error:
            if common.traceback or os.environ.get("RECPRUNE_DEBUG", "0") not in ("", "0"):
                traceback.print_exc()
            _fail(error)

    asked = sorted(inspect.signature(command).parameters.values(), key=lambda p: p.name == "common")
    parameters = [one for p in asked for one in _expanded(p, hints[p.name], bundles)]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    return call


def _expanded(parameter: inspect.Parameter, hint: Any, bundles: dict[str, Any]) -> list[inspect.Parameter]:
    """The parameter itself, or one for each field of the dataclass that it stands for."""
    if parameter.name not in bundles:
        return [parameter.replace(annotation=hint, kind=inspect.Parameter.KEYWORD_ONLY)]
    own, heading = get_type_hints(hint, include_extras=True), getattr(hint, "HEADING", None)
    return [
        inspect.Parameter(
            f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=_under(heading, own[f.name])
        )
        for f in fields(hint)
    ]


def _under(heading: str | None, hint: Any) -> Any:
    """The type of an option whose help stands under that heading."""
    option = copy.copy(hint.__metadata__[0])
    option.rich_help_panel = heading
    return Annotated[hint.__origin__, option]


def _print(answer: Answer, common: Common) -> None:
    if common.as_json:
        typer.echo(json.dumps(answer.data, indent=2, allow_nan=False, default=str))
        return
    from rich.console import Console

    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=PIPED if piped else None)
    with console.capture() if piped else contextlib.nullcontext() as captured:
        for part in answer.shown:
            console.print(part, markup=False)
    if captured is not None:
        typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _fail(error: Exception) -> NoReturn:
    expected = isinstance(error, RecpruneError)
    hint = "" if expected else " (RECPRUNE_DEBUG=1 shows where)"
    typer.echo(f"{type(error).__name__}: {error}{hint}", err=True)
    raise typer.Exit(2 if expected and not isinstance(error, SurgeryError) else 1)
