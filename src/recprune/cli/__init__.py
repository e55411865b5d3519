"""The command line: one command a file, found by its place; each parses, calls, prints."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import recprune
from recprune import discover
from recprune.cli._guard import guarded

__all__ = ["ELSEWHERE", "app", "main"]

HELP = """Any recommender and a budget in; a physically smaller one that recommends as well out, with proof.

A raw log becomes a split (prepare), a model (train), a list of what could go (survey), a plan of what stays (plan), a
smaller model (apply, finetune), and the proof (compare). `run` is all of it in one command.
"""

HEADINGS = {0: "All of it in one", 1: "From a log to a smaller model", 7: "Is it as good?", 12: "Use it", 14: "Besides"}
"""First PLACE of the commands that stand together in the help -> their heading."""

ELSEWHERE = {
    "prune": "survey, plan and apply prune a trained model step by step; run does all of it, from a log",
    "compress": "plan and apply make a trained model smaller, also by fewer bits; run does all of it, from a log",
    "quantize": "plan stores weights in fewer bits for a budget in bytes, as in `recprune plan MODEL --bytes 1MB`",
    "distill": "finetune SMALL --teacher BIG learns from a larger model",
    "fit": "train trains a model",
    "predict": "recommend lists items for a user; serve answers over HTTP",
    "test": "evaluate judges a model on the test part; compare judges two",
    "benchmark": "bench times a model in every runtime",
    "export": "the folder of a model has its weights as safetensors; bench finds what serves them fastest",
    "convert": "import reads a foreign file",
    "info": "inspect looks into a folder; survey lists what can leave a model",
}
"""Commands that there are not -> what does that here."""


class Group(TyperGroup):
    """The commands; one that there is not, but that others have, is answered by what does it here."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in ELSEWHERE:
            ctx.fail(f"No such command {args[0]!r}: {ELSEWHERE[args[0]]}.")
        return super().resolve_command(ctx, args)


def app() -> typer.Typer:
    """The application with every command of this folder, in the order of the street."""
    out = typer.Typer(name="recprune", cls=Group, help=HELP, no_args_is_help=True, pretty_exceptions_enable=False)
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
