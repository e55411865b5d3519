"""Pages that the program writes about itself: its commands, what its folders offer, its public names."""

from __future__ import annotations

import importlib
from collections import defaultdict
from inspect import getdoc
from types import ModuleType
from typing import Any

import typer

import recprune
from recprune import discover
from recprune.cli import app

__all__ = ["command_page", "pages"]

FOLDERS = {
    "importance.rules": ("Rules", "what a unit is worth: [methods](methods.md)"),
    "models": ("Models", "a page each: [models](models.md)"),
    "encodings": ("Encodings", "bytes a row, and sources: [encodings](encodings.md)"),
    "data.formats": ("Formats", "what they read, and their options: [data](data.md)"),
    "runtimes": ("Runtimes", "what takes which model: [runtimes](runtimes.md)"),
    "tracing.structures": ("Structures", "how axes are followed: [survey](survey.md)"),
    "cli": ("Commands", "all their options: [commands](commands.md)"),
}
"""Folder below recprune -> its heading, and where more stands."""

AREAS = {
    "data": "Data",
    "models": "Models and training",
    "training": "Models and training",
    "tracing": "Survey, score, choose, apply",
    "importance": "Survey, score, choose, apply",
    "planning": "Survey, score, choose, apply",
    "surgery": "Survey, score, choose, apply",
    "packing": "Survey, score, choose, apply",
    "recipe": "The whole street",
    "evaluation": "Judge, store, load",
    "artifact": "Judge, store, load",
    "errors": "Errors",
}
"""Folder or file below recprune -> the page of the API that its public names stand on."""


def pages() -> dict[str, str]:
    """Path of a page below docs/ -> its Markdown."""
    return {**_commands(), "catalogue.md": _catalogue(), **_api()}


def _commands() -> dict[str, str]:
    group: Any = typer.main.get_command(app())
    lines = ["# Commands", "", group.help, "", "| command | |", "|---|---|"]
    lines += [f"| [`{name}`](commands/{name}.md) | {_cell(_first(one.help))} |" for name, one in group.commands.items()]
    below = {f"commands/{name}.md": command_page(name, one) for name, one in group.commands.items()}
    return {"commands.md": "\n".join([*lines, ""]), **below}


def command_page(name: str, command: Any) -> str:
    """A command as Markdown: what it does, how it is called, and what its help says of every option."""
    context = command.context_class(command, info_name=f"recprune {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    told = [one.get_help_record(context) for one in command.get_params(context)]
    rows = [f"| `{option}` | {_cell(what)} |" for option, what in filter(None, told)]
    head = [f"# {name}", "", command.help, "", "```console", f"$ recprune {name} {usage}", "```", ""]
    return "\n".join([*head, "| option | |", "|---|---|", *rows, ""])


def _cell(text: str) -> str:
    """Words as they stand in a cell of a table: no markup but that of code."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[").replace("*", "\\*")


def _catalogue() -> str:
    lines = ["# What the folders offer", "", "Found by their place, as the program finds them."]
    for folder, (heading, more) in FOLDERS.items():
        package = importlib.import_module(f"recprune.{folder}")
        lines += ["", f"## {heading}", "", f"{more[:1].upper()}{more[1:]}.", "", "| name | |", "|---|---|"]
        lines += [f"| `{_shown(name)}` | {_cell(_about(package, name))} |" for name in discover.names(package)]
    return "\n".join([*lines, ""])


def _shown(name: str) -> str:
    return name.rstrip("_")


def _about(package: ModuleType, name: str) -> str:
    return _first(getdoc(discover.module(package, name)))


def _first(text: str | None) -> str:
    """The first paragraph."""
    return (text or "").strip().split("\n\n")[0]


def _api() -> dict[str, str]:
    homes: dict[str, list[str]] = defaultdict(list)
    for name, home in recprune._HOMES.items():
        homes[AREAS[home.partition(".")[0]]].append(f"recprune.{home}.{name}")
    return {_page(heading): _api_page(heading, homes[heading]) for heading in dict.fromkeys(AREAS.values())}


def _page(heading: str) -> str:
    return f"api/{heading.lower().replace(', ', '_').replace(' ', '_')}.md"


def _api_page(heading: str, names: list[str]) -> str:
    lines = [f"# {heading}", "", "Every name is had from `recprune` itself.", ""]
    for name in names:
        lines += [f"::: {_home(name)}", ""]
    return "\n".join(lines)


def _home(name: str) -> str:
    """Where a name is defined: the object says it, for a package may pass on what a file below it holds."""
    found = getattr(recprune, name.rpartition(".")[2])
    return f"{found.__module__}.{found.__qualname__}"
