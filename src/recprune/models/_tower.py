"""What models of fields share: which fields they take, and the tower over their embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from recprune.data.dataset import Split
from recprune.errors import DataError

__all__ = ["categorical", "tower"]


def categorical(split: Split, fields: Sequence[str] | None = None) -> Sequence[str]:
    """The categorical fields of a split, or those named. Raises DataError where there are none."""
    fields = split.train.fields if fields is None else fields
    missing = [name for name in fields if name not in split.vocabularies]
    if missing or not fields:
        there = ", ".join(split.vocabularies)
        raise DataError(f"no categorical field {missing or 'at all'}; there are: {there}", fields=missing)
    return fields


def tower(width: int, hidden: Sequence[int], dropout: float, norm: bool, *, out: bool = True) -> nn.Sequential:
    """Layers of Linear, BatchNorm (if `norm`), ReLU and Dropout, then one unit (if `out`)."""
    layers: list[nn.Module] = []
    for units in hidden:
        layers.append(nn.Linear(width, units))
        if norm:
            layers.append(nn.BatchNorm1d(units))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = units
    return nn.Sequential(*layers, *([nn.Linear(width, 1)] if out else []))
