"""built(): a model by its name, or one clear error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from recprune.data.dataset import Split
from recprune.errors import ExtensionError, RecpruneError
from recprune.models.build import build

__all__ = ["built"]


def built(name: str, split: Split, settings: Mapping[str, Any], seed: int = 0) -> nn.Module:
    """A new model. Raises ExtensionError where its constructor does not take a setting, or not of that kind."""
    try:
        return build(name, split, seed=seed, **settings)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, RecpruneError):
            raise
        raise ExtensionError(f"{name} cannot be built with {dict(settings)}: {error}", name=name) from error
