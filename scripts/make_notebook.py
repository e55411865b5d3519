"""Writes the notebook of a script that is parted by `# %%`, with what each of its cells prints.

    python scripts/make_notebook.py examples/which_features.py

A cell that begins with `# %% [markdown]` is text. Run it again where the script has changed; a test says when.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["cells", "notebook"]

MARKDOWN = "# %% [markdown]"


def cells(script: str) -> list[tuple[str, str]]:
    """(kind, source) of each cell, kind "markdown" or "code"."""
    out: list[tuple[str, list[str]]] = []
    for line in script.splitlines():
        if line.startswith("# %%"):
            out.append(("markdown" if line == MARKDOWN else "code", []))
        elif out:
            kind, lines = out[-1]
            lines.append(line.removeprefix("#").removeprefix(" ") if kind == "markdown" else line)
    return [(kind, "\n".join(lines).strip("\n")) for kind, lines in out]


def notebook(script: str) -> dict[str, Any]:
    """The notebook (format 4.5) of a script: its cells are run from top to bottom, sharing their names."""
    names: dict[str, Any] = {"__name__": "notebook"}
    made = [_cell(number, kind, source, names) for number, (kind, source) in enumerate(cells(script))]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _cell(number: int, kind: str, source: str, names: dict[str, Any]) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": _lines(source)}
    if kind == "markdown":
        return cell
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(source, f"cell {number}", "exec"), names)  # noqa: S102 (a script of our own)
    output = {"output_type": "stream", "name": "stdout", "text": _lines(said.getvalue())}
    return {**cell, "execution_count": None, "outputs": [output] if said.getvalue() else []}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main(paths: list[str]) -> None:
    """Write NAME.ipynb beside each NAME.py."""
    for path in map(Path, paths):
        made = notebook(path.read_text(encoding="utf-8"))
        path.with_suffix(".ipynb").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
