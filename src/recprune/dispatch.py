"""Which kernels run: C for the instructions that this machine has, or numpy."""

from __future__ import annotations

import importlib
import os
import warnings
from functools import cache
from typing import Any

from recprune.errors import DataError

__all__ = ["LEVELS", "kernels", "which"]

VERSION = 18
"""Of the compiled kernels, KERNELS_VERSION in kernels/native/kernels.h: another number when their arguments change."""

LEVELS = ("portable C", "avx2", "avx512")
"""What the C kernels are compiled for, the slowest first."""


@cache
def _native() -> Any:
    """The compiled kernels, or None where the package was built without a compiler, or they are of another version."""
    try:
        native = importlib.import_module("recprune._native")
    except ImportError:
        return None
    if native.version == VERSION:
        return native
    warnings.warn("the compiled kernels are of another version, numpy runs: python hatch_build.py", stacklevel=2)
    return None


@cache
def _there() -> tuple[str, ...]:
    """What runs here, the fastest last."""
    native = _native()
    return ("numpy",) if native is None else ("numpy", *LEVELS[: native.level() + 1])


def which() -> str:
    """What runs: "avx512", "avx2", "portable C" or "numpy". All list the same items with the same scores.

    The fastest that there is, unless the environment variable RECPRUNE_KERNELS names another. Raises DataError where
    what it names does not run here.
    """
    asked = os.environ.get("RECPRUNE_KERNELS", "")
    if asked and asked not in _there():
        raise DataError(f"RECPRUNE_KERNELS={asked}, and here run: {', '.join(_there())}", kernels=asked)
    return asked or _there()[-1]


def kernels() -> tuple[Any, int] | None:
    """The compiled kernels and the level to ask of them; None where numpy runs."""
    return _asked(os.environ.get("RECPRUNE_KERNELS", ""))


@cache
def _asked(_: str) -> tuple[Any, int] | None:
    """For what the environment says: kernels are asked for at every look-up of a row, so that this is kept."""
    found = which()
    return None if found == "numpy" else (_native(), LEVELS.index(found))
