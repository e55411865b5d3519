"""What each user or row adds to the differences of a comparison, in a file beside it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from recprune.atomic import write_bytes
from recprune.errors import DataError
from recprune.evaluation.comparison import Comparison

__all__ = ["keep_influence", "with_influence"]

BETWEEN = "/"
"""Stands between the names of a model and of a metric."""


def keep_influence(found: Comparison, place: Path) -> None:
    """Write `influence`, one array a model and metric."""
    named = {f"{model}{BETWEEN}{metric}": a for model, rows in found.influence.items() for metric, a in rows.items()}
    held = io.BytesIO()
    np.savez_compressed(held, **named)  # type: ignore[arg-type]
    write_bytes(place, held.getvalue())


def with_influence(found: Comparison, place: Path) -> Comparison:
    """The comparison with what was kept of it. Raises DataError where the file is missing or damaged."""
    out: dict[str, dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]] = {}
    try:
        with np.load(place, allow_pickle=False) as held:
            for name in held.files:
                model, _, metric = name.partition(BETWEEN)
                out.setdefault(model, {})[metric] = held[name]
    except (OSError, ValueError, BadZipFile) as error:
        raise DataError(f"{place} cannot be read: {error}; remove it, and run again", path=str(place)) from error
    return replace(found, influence=out)
