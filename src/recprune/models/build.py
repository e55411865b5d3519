"""build(): a model by its name, sized for the data."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from recprune import discover, models
from recprune.data.dataset import Split
from recprune.errors import ExtensionError

__all__ = ["build"]


def build(name: str, split: Split, *, seed: int = 0, **options: Any) -> nn.Module:
    """A new model of that name (a file of `recprune.models`, or "package.module:Class") for the data of `split`.

    The model's class method `of(split, **options)` makes it; its options are those of its constructor. `seed` draws the
    weights; torch's own random state stays as it is. Raises ExtensionError for a name or an option that there is not.
    """
    found = discover.load(models, name)
    if not callable(getattr(found, "of", None)):
        raise ExtensionError(f"{name!r} is no model: it has no class method of(split, **options)", name=name)
    sized = {"self", "split", "n_users", "n_items", "sizes", "multi", "missing"}
    allowed = [option for option in inspect.signature(found).parameters if option not in sized]
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        there = ", ".join(allowed) or "none"
        raise ExtensionError(f"{name} has no option {unknown[0]!r}; there are: {there}", name=name, option=unknown[0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = found.of(split, **options)
    return model
