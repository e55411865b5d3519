"""Answers: what forward gives back, where units leave that stand on an axis of it, as rows of a tied table do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recprune.tracing.inputs import parts_of
from recprune.tracing.site import Site

__all__ = ["Gone", "answers_after", "answers_gone", "output_name", "withdrawn"]

Gone = Mapping[str, Mapping[int, NDArray[np.int64]]]
"""Tensor of the output ("@output#0") -> axis -> the positions of it that leave."""


def output_name(number: int) -> str:
    """How a cut names a tensor of the output: by its place among all of them, in the order of the nest."""
    return f"@output#{number}"


def answers_gone(sites: Iterable[Site], leaving: Mapping[str, NDArray[np.int64]]) -> Gone:
    """Where the output loses positions when those units of those sites leave; empty where it keeps its widths."""
    found: dict[str, dict[int, NDArray[np.int64]]] = {}
    for site in sites:
        units = leaving.get(site.name, np.empty(0, dtype=np.int64))
        for cut in site.answers if len(units) else ():
            axes = found.setdefault(cut.tensor, {})
            axes[cut.dim] = np.union1d(axes.get(cut.dim, units[:0]), cut.positions(units))
    return found


def answers_after(gone: Gone, output: Any) -> Any:
    """The output of the larger model without the positions that left, as the smaller one gives it."""

    def shorter(tensor: Tensor, dim: int, left: NDArray[np.int64]) -> Tensor:
        stays = np.delete(np.arange(tensor.shape[dim]), left)
        return tensor.index_select(dim, torch.from_numpy(stays).to(tensor.device))

    return _changed(gone, output, shorter)


def withdrawn(gone: Gone, output: Any) -> Any:
    """The output with -inf at the positions that left (0 where it holds whole numbers): nobody is recommended those."""

    def filled(tensor: Tensor, dim: int, left: NDArray[np.int64]) -> Tensor:
        nothing = -torch.inf if tensor.is_floating_point() else 0
        return tensor.index_fill(dim, torch.from_numpy(left).to(tensor.device), nothing)

    return _changed(gone, output, filled)


def _changed(gone: Gone, output: Any, change: Callable[[Tensor, int, NDArray[np.int64]], Tensor]) -> Any:
    """The nest of tensors with those changed that lose positions."""
    numbers = count()

    def walk(value: Any) -> Any:
        if isinstance(value, Tensor):
            for dim, left in gone.get(output_name(next(numbers)), {}).items():
                value = change(value, dim, left)
            return value
        if isinstance(value, Mapping):
            held: Any = copy(value)
            for key, part in value.items():
                held[key] = walk(part)
            return held
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(walk, value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return dataclasses.replace(value, **{str(name): walk(part) for name, part in parts_of(value)})
        return type(value)(map(walk, value)) if isinstance(value, list | tuple) else value

    return walk(output) if gone else output
