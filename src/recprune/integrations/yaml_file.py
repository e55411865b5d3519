"""read_yaml(): the plain data of a YAML file; nothing in it is built or run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recprune.errors import DataError
from recprune.integrations.needed import needed

__all__ = ["read_yaml"]

LARGEST = 1 << 20
"""Bytes of a configuration that is read at all."""
ODD = (AttributeError, LookupError, TypeError, OverflowError)
"""What PyYAML raises for a tag of its own, as `!!timestamp`, in front of what is none."""


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping by PyYAML's safe loader: a tag that names a class is refused, not followed, and so are aliases (`*x`),
    which make a small text a large value, and a key that stands twice.

    Raises DataError for what is no mapping of names, and ExtensionError without PyYAML
    (`pip install 'recprune[configs]'`).
    """
    yaml = needed("yaml", "configs")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError(f"it is larger than {LARGEST:,} bytes")
        said = _strict(yaml, data.decode("utf-8"))
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"{path} cannot be read: {why}; give the path of a configuration", path=str(path)) from error
    except (ValueError, RecursionError, yaml.YAMLError, *ODD) as error:
        raise DataError(f"{path} cannot be read as YAML: {error}", path=str(path)) from error
    if not isinstance(said, dict) or not all(isinstance(name, str) for name in said):
        raise DataError(f"{path} holds no mapping of names", path=str(path))
    return said


def _strict(yaml: Any, text: str) -> Any:
    """What PyYAML's safe loader makes of the text, without aliases and without keys that stand twice."""

    class Strict(yaml.SafeLoader):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("aliases (*) are not followed: write the value out")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key in (self.construct_object(name, deep=True) for name, _ in node.value):
                if key in seen:
                    raise ValueError(f"the key {str(key)[:60]!r} stands twice")
                seen.add(key)
            return super().construct_mapping(node, deep)

    loader = Strict(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
