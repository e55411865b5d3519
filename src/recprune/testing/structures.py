"""The contract of a prunable structure."""

from __future__ import annotations

from types import ModuleType

__all__ = ["check_structure"]


def check_structure(module: ModuleType) -> None:
    """Assert that a structure file offers what the survey asks it for: `operations`, a tuple of names of ATen
    operations, none of them twice, and `follow(step)`."""
    operations = getattr(module, "operations", None)
    name = module.__name__
    assert isinstance(operations, tuple), f"{name}: `operations` is a tuple of names, not {type(operations).__name__}"
    assert operations, f"{name}: `operations` is not empty"
    assert all(isinstance(o, str) and o for o in operations), f"{name}: `operations` holds names: {operations}"
    assert len(set(operations)) == len(operations), f"{name}: an operation stands twice in {operations}"
    assert callable(getattr(module, "follow", None)), f"{name}: no function `follow(step)`"
    assert module.__doc__, f"{name}: no docstring says which axes may lose units"
