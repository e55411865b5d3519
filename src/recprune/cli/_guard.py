"""What every command has in common: it answers with a value, and it fails with one clear message."""

from __future__ import annotations

import functools
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from recprune.errors import RecpruneError, SurgeryError

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Answer", "guarded"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found: `data` for programs (--json), `shown` for people, in this order."""

    data: dict[str, Any]
    shown: tuple[RenderableType, ...]


def guarded(command: Callable[..., Answer]) -> Callable[..., None]:
    """The command that prints its answer, and turns errors into one message and an exit code.

    0: done. 2: wrong usage or bad input. 1: anything else. With --traceback or RECPRUNE_DEBUG=1 the traceback is shown
    as well.
    """

    @functools.wraps(command)
    def call(**options: Any) -> None:
        try:
            _print(command(**options), options["as_json"])
        except typer.Exit:
            raise
        except Exception as error:
            if options["traceback"] or os.environ.get("RECPRUNE_DEBUG", "0") not in ("", "0"):
                traceback.print_exc()
            _fail(error)

    call.__annotations__ = {**command.__annotations__, "return": None}
    return call


def _print(answer: Answer, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer.data, indent=2, allow_nan=False, default=str))
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    for part in answer.shown:
        console.print(part)


def _fail(error: Exception) -> NoReturn:
    expected = isinstance(error, RecpruneError)
    name = type(error).__name__
    hint = "" if expected else " (RECPRUNE_DEBUG=1 shows where)"
    typer.echo(f"{name}: {error}{hint}", err=True)
    raise typer.Exit(2 if expected and not isinstance(error, SurgeryError) else 1)
