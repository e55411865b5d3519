"""Docstrings as Markdown, for the pages of the API: names of parameters stand out, examples become blocks of code."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import griffe

__all__ = ["DocstringsAsMarkdown", "as_markdown"]

TOLD = re.compile(r"(^|[.)]\s)(\w+(?:, \w+)*)(?=: )", re.MULTILINE)
"""Names before a colon, where a line or a sentence begins: "factor: share of ...", "batches, loss: ..."."""
BEGINS = re.compile(r"(?<!\n)\n(?=(?:Raises|Returns) )")
EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class DocstringsAsMarkdown(griffe.Extension):
    """What mkdocstrings asks for every object that it has read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite its docstring; the parameters of a class are its own and its fields."""
        if obj.docstring:
            parameters = {parameter.name for parameter in getattr(obj, "parameters", ())}
            obj.docstring.value = as_markdown(obj.docstring.value, parameters | set(obj.members))


def as_markdown(text: str, names: Collection[str] = ()) -> str:
    """The same words: names in bold where they are told, `Raises` and `Returns` in a paragraph, examples as code."""

    def bold(found: re.Match[str]) -> str:
        told = found[2].split(", ")
        return f"{found[1]}**{found[2]}**" if all(name in names for name in told) else found[0]

    text = BEGINS.sub("\n\n", TOLD.sub(bold, text))
    return EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", text)
