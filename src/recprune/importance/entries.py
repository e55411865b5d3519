"""Which input an entry of an item-item matrix weighs, dense or packed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.tracing.site import FLAT, Cut, Site

__all__ = ["matrix_of", "weighed_inputs"]


def weighed_inputs(model: nn.Module, site: Site) -> Iterator[tuple[Cut, Tensor, int]]:
    """For each tensor of numbers that the entries are in: its cut, (site.size,) the input of each, how many inputs.

    Of a dense (outputs, inputs) matrix an entry is one place; of a packed one (`values` and `indices` of one length,
    `in_features` inputs) `indices` says the input. Raises SurveyError where it is neither.
    """
    for cut in site.cuts:
        owner, _, name = cut.tensor.rpartition(".")
        module = model.get_submodule(owner)
        tensor = getattr(module, name)
        if not tensor.is_floating_point():
            continue
        indices = getattr(module, "indices", None)
        if cut.width == 1 and cut.dim == FLAT and tensor.dim() == 2:
            yield cut, torch.arange(cut.start, cut.start + site.size) % tensor.shape[1], tensor.shape[1]
        elif cut.width == 1 and cut.dim == 0 and matrix_of(module) == name and isinstance(indices, Tensor):
            entries = indices[cut.start : cut.start + site.size].long().cpu()
            yield cut, entries, int(getattr(module, "in_features"))  # noqa: B009 (no attribute of nn.Module)
        else:
            raise SurveyError(
                f"site {site.name!r}: {cut} is not one entry of a matrix a unit, so that the input that it weighs is "
                "not known; score it by taylor or magnitude",
                site=site.name,
                cut=cut,
            )


def matrix_of(module: nn.Module) -> str | None:
    """Attribute that holds the matrix of a linear layer: "weight", or "values" of a packed one; None for others."""
    if isinstance(module, nn.Linear):
        return "weight"
    values, indices = getattr(module, "values", None), getattr(module, "indices", None)
    packed = isinstance(values, Tensor) and isinstance(indices, Tensor) and values.shape == indices.shape
    return "values" if packed and hasattr(module, "in_features") else None
