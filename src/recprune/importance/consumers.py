"""Who reads a unit: the input columns of linear layers that leave with it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from recprune.importance.entries import matrix_of
from recprune.tracing.site import Cut, Site

__all__ = ["input_cuts", "output_cuts"]


def input_cuts(model: nn.Module, site: Site) -> Iterator[tuple[Cut, nn.Linear]]:
    """Cuts that take columns of the matrix of an nn.Linear: the unit is one of its inputs."""
    yield from _cuts(model, site, 1)


def output_cuts(model: nn.Module, site: Site) -> Iterator[tuple[Cut, nn.Linear]]:
    """Cuts that take rows of the matrix of an nn.Linear: the unit is one of its outputs."""
    yield from _cuts(model, site, 0)


def _cuts(model: nn.Module, site: Site, dim: int) -> Iterator[tuple[Cut, nn.Linear]]:
    for cut in site.cuts:
        owner, _, name = cut.tensor.rpartition(".")
        module = model.get_submodule(owner)
        if cut.dim == dim and isinstance(module, nn.Linear) and matrix_of(module) == name:
            yield cut, module
