"""The same size, trained from scratch: the rival that a pruned model has to beat."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import nn

from recprune.encodings.faces import Packed
from recprune.errors import TrainingError

__all__ = ["fresh_copy"]

Module = TypeVar("Module", bound=nn.Module)


def fresh_copy(model: Module, seed: int = 0) -> Module:
    """A copy of the same shapes with newly drawn weights; the model and torch's own random state stay as they are.

    A module that has `reset_parameters()` is asked to do it for everything below it; the others pass the question on.
    Raises TrainingError where a parameter belongs to a module that cannot, or is packed.
    """
    for name, module in model.named_modules():
        if isinstance(module, Packed):
            raise TrainingError(f"{name} is packed, and codes are not drawn anew: unpack the model first", module=name)
    fresh = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, module in list(_resettable(fresh, "")):
            if not hasattr(module, "reset_parameters"):
                raise TrainingError(
                    f"{name or type(module).__name__} has parameters of its own and no reset_parameters(); give it one "
                    "that draws new weights in the shapes that it has",
                    module=name,
                )
            module.reset_parameters()  # type: ignore[operator]
    return fresh


def _resettable(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """The topmost modules that can draw their weights anew, or that have weights and cannot."""
    if hasattr(module, "reset_parameters") or any(True for _ in module.parameters(recurse=False)):
        yield name, module
        return
    for child, below in module.named_children():
        yield from _resettable(below, f"{name}.{child}" if name else child)
