"""write(): a report in one or more formats, side by side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from recprune.atomic import write_bytes
from recprune.errors import DataError, ExtensionError
from recprune.report.card import card
from recprune.report.found import Found
from recprune.report.html import page
from recprune.report.make import Report, report
from recprune.report.markdown import markdown

__all__ = ["FORMATS", "write"]

FORMATS: Mapping[str, tuple[str, Callable[[Report, Found], str]]] = {
    "html": ("{}.html", lambda made, found: page(made)),
    "md": ("{}.md", lambda made, found: markdown(made)),
    "json": ("{}.json", lambda made, found: made.to_json()),
    "card": ("model_card.md", lambda made, found: card(made, found)),
}
"""Name of a format -> name of its file, by that of the report, and what writes it."""


def write(found: Found, out: Path, formats: Collection[str] = ("html",)) -> dict[str, Path]:
    """Write a report; its formats lie side by side, named after `out`, and the model card is `model_card.md`.

    Returns format -> file. Raises ExtensionError for a format that there is not, DataError where nothing can be
    written. What cannot be said in UTF-8 (half a surrogate pair in an id) becomes a question mark.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ExtensionError(
            f"no format {unknown[0]!r} of a report; there are: {', '.join(FORMATS)}", format=unknown[0]
        )
    made = report(found)
    files = {name: out.with_name(FORMATS[name][0].format(out.stem)) for name in formats}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for name, file in files.items():
            write_bytes(file, FORMATS[name][1](made, found).encode("utf-8", "replace"))
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error}", path=str(out)) from error
    return files
