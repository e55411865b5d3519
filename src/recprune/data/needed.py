"""needed(): a package of an optional extra, or one clear error."""

from __future__ import annotations

import importlib
from typing import Any

from recprune.errors import ExtensionError

__all__ = ["needed"]


def needed(package: str, extra: str) -> Any:
    """The module of that name. Raises ExtensionError that names the extra where it, or what it needs, is missing."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ExtensionError(
            f"this needs {package}, which is not installed ({error}): pip install 'recprune[{extra}]'", name=package
        ) from error
