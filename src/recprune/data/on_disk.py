"""A disk that fails, or is full, is told in one sentence."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import polars as pl

from recprune.errors import DataError

__all__ = ["on_disk"]

OF_SYSTEM = "os error"
"""What polars' words hold where they come from the system."""


@contextlib.contextmanager
def on_disk(path: str | os.PathLike[str], then: str = "What stood there before stands") -> Iterator[None]:
    """Raises DataError where writing `path` fails by the disk, whoever writes. then: what became of it, for people."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        if isinstance(error, pl.exceptions.PolarsError) and OF_SYSTEM not in str(error):
            raise
        why = (isinstance(error, OSError) and error.strerror) or str(error).rpartition(": ")[2]
        raise DataError(f"{path} cannot be written: {why}. {then}", path=str(path)) from error
