"""The folder is the registry: what stands in a folder is found by its file name.

A file `importance/rules/magnitude.py` offers the rule `magnitude`; its `__all__` holds its one public name.
Something of one's own is named `package.module:Name`.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from types import ModuleType
from typing import Any

from recprune.errors import ExtensionError

__all__ = ["load", "module", "names"]


def names(folder: ModuleType) -> list[str]:
    """The names that a folder offers, sorted; not files that begin with `_` or that its tuple `BESIDE` names."""
    beside = getattr(folder, "BESIDE", ())
    found = (m.name for m in pkgutil.iter_modules(folder.__path__))
    return sorted(name for name in found if not name.startswith("_") and name not in beside)


def module(folder: ModuleType, name: str) -> ModuleType:
    """The module `name` of a folder. Raises ExtensionError that lists what there is."""
    if name not in names(folder):
        kind = folder.__name__.rsplit(".", 1)[-1].rstrip("s")
        near = difflib.get_close_matches(name, names(folder), n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise ExtensionError(
            f"no {kind} named {name!r}; there are: {', '.join(names(folder))}. {hint}"
            f"{'An' if kind[0] in 'aeiou' else 'A'} {kind} of your own is named 'package.module:Name'.",
            kind=kind,
            name=name,
        )
    return importlib.import_module(f"{folder.__name__}.{name}")


def load(folder: ModuleType, name: str) -> Any:
    """The object that `name` stands for: the one public name of that file, or somebody's own `package.module:Name`."""
    if ":" in name:
        where, _, what = name.partition(":")
        try:
            return getattr(importlib.import_module(where), what)
        except (ImportError, AttributeError) as error:
            path = " (is its folder on Python's path? PYTHONPATH=. adds this one)"
            hint = path if isinstance(error, ModuleNotFoundError) else ""
            raise ExtensionError(f"{name!r} cannot be loaded: {error}{hint}", name=name) from error
    found = module(folder, name)
    return getattr(found, found.__all__[0])
