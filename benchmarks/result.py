"""Writes a result for the tables of the README: benchmarks/results/NAME.json."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from recprune.dispatch import which

__all__ = ["of_earlier", "read_earlier", "read_rows", "write_result"]

FOLDER = Path(__file__).resolve().parent / "results"


def write_result(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    notes: Sequence[str],
    data: Sequence[str],
    seeds: Sequence[int],
    command: str | None = None,
) -> Path:
    """Write the result and return its path. command: `python -m benchmarks.NAME` when not said."""
    FOLDER.mkdir(exist_ok=True)
    result = {
        "title": title,
        "command": command or f"python -m benchmarks.{name}",
        "columns": list(columns),
        "rows": [list(row) for row in rows],
        "notes": list(notes),
        "commit": commit(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()} ({which()}), {platform.system()}, "
        f"torch {torch.__version__}",
        "threads": torch.get_num_threads(),
        "seeds": list(seeds),
        "data": list(data),
    }
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def read_earlier(file: str, now: Container[object]) -> tuple[dict[str, list[Any]], list[str]]:
    """Rows of a table as it is by what stands first in them, but those that are measured now, and its notes."""
    path = FOLDER / f"{file}.json"
    notes: list[str] = json.loads(path.read_text(encoding="utf-8"))["notes"] if path.exists() else []
    return {label: rows[-1] for label, rows in read_rows(file, now).items()}, notes


def read_rows(file: str, now: Container[object]) -> dict[str, list[list[Any]]]:
    """The same rows, where several begin alike."""
    path, found = FOLDER / f"{file}.json", dict[str, list[list[Any]]]()
    for row in json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []:
        if row[0] not in now:
            found.setdefault(row[0], []).append(row)
    return found


def of_earlier(rows: Mapping[str, object]) -> list[str]:
    """A word on rows that were not measured now."""
    labels = [label for label in rows if not label.startswith("published: ")]
    return [f"Measured in an earlier run: {'; '.join(labels)}"] if labels else []


def commit() -> str:
    """The commit that was measured, with a + where files differ from it."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        capture_output=True,
        text=True,
        check=True,
        cwd=FOLDER.parent,
    )
    return found.stdout.strip()
