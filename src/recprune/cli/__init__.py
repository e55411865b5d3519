"""The command line: one command a file, found by its place; each parses, calls, prints."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import recprune
from recprune import discover
from recprune.cli._guard import guarded

__all__ = ["app", "main"]

HELP = """Any recommender and a budget in; a physically smaller one that recommends as well out, with proof.

A raw log becomes a split (prepare), a model (train), a list of what could go (survey), a plan of what stays (plan), a
smaller model (apply, finetune), and the proof (compare). `run` is all of it in one command.
"""

HEADINGS = {0: "All of it in one", 1: "From a log to a smaller model", 7: "Is it as good?", 12: "Use it", 14: "Besides"}
"""First PLACE of the commands that stand together in the help -> their heading."""


def app() -> typer.Typer:
    """The application with every command of this folder, in the order of the street."""
    out = typer.Typer(name="recprune", help=HELP, no_args_is_help=True, pretty_exceptions_enable=False)
    folder = sys.modules[__name__]
    modules = sorted((discover.module(folder, name) for name in discover.names(folder)), key=lambda m: m.PLACE)
    for module in modules:
        name, heading = module.__all__[0], HEADINGS[max(place for place in HEADINGS if place <= module.PLACE)]
        out.command(name.rstrip("_"), rich_help_panel=heading)(guarded(getattr(module, name)))
    out.callback()(_version)
    return out


def main() -> None:
    """What the command `recprune` calls."""
    app()()


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"recprune {recprune.__version__}")
        raise typer.Exit()


def _version(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass
