"""read_yaml(): the plain data of a YAML file; nothing in it is built or run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recprune.errors import DataError
from recprune.integrations.needed import needed

__all__ = ["read_yaml"]

LARGEST = 1 << 20
"""Bytes of a configuration that is read at all."""


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping by PyYAML's safe loader: a tag that names a class is refused, not followed.

    Raises DataError for what is no mapping of names, and ExtensionError without PyYAML
    (`pip install 'recprune[configs]'`).
    """
    yaml = needed("yaml", "configs")
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST:,} bytes")
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"{path} cannot be read: {why}; give the path of a configuration", path=str(path)) from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read as YAML: {error}", path=str(path)) from error
    if not isinstance(said, dict) or not all(isinstance(name, str) for name in said):
        raise DataError(f"{path} holds no mapping of names", path=str(path))
    return said
