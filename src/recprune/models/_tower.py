"""What models of vectors share: the tower over them, and their inner products."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["pairs_of", "reset_layers", "tower"]


def pairs_of(vectors: Tensor) -> Tensor:
    """(batch, fields, dim) -> (batch,) inner products of all pairs, in linear time (Rendle 2010, lemma 3.1)."""
    return 0.5 * (vectors.sum(1).square() - vectors.square().sum(1)).sum(1)


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


def reset_layers(model: nn.Module) -> None:
    """Linear layers, convolutions and norms as torch initialises them, in their order."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.BatchNorm1d):
            layer.reset_parameters()
