"""The way back: the numbers of a smaller model in the shapes of the model that it was cut from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from recprune.errors import SurgeryError
from recprune.tracing.build import named_tensors
from recprune.tracing.cutting import Leaving, positions_gone
from recprune.tracing.site import Survey

__all__ = ["regrown"]


def regrown(model: nn.Module, survey: Survey, leaving: Leaving, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the shapes of `model`: what stays is as in `tensors`, zeros stand where units left.

    tensors: those of the smaller model, by the names that they have in the larger one. Pointers, and what the smaller
    model does not have, stay as they are in `model`. Raises SurgeryError where a tensor is not of the shape that this
    cut leaves.
    """
    gone, out = positions_gone(survey, leaving), {}
    for name, old in named_tensors(model).items():
        value = tensors.get(name)
        if value is None or name in survey.pointers or value.layout is not torch.strided:
            out[name] = old.detach()
            continue
        for dim in range(old.dim()):
            if (name, dim) in gone:
                stays = torch.from_numpy(np.delete(np.arange(old.shape[dim]), gone[name, dim]))
                value = _spread(name, value.detach(), dim, old.shape[dim], stays)
        if value.shape != old.shape:
            raise SurgeryError(f"tensor {name!r} is {tuple(value.shape)}, which this cut does not leave", tensor=name)
        out[name] = value.detach()
    for site in (s for s in survey.sites if len(leaving.get(s.name, ()))):
        for name in site.rescaled:
            out[name] = out[name] / ((site.size - len(leaving[site.name])) / site.size) ** 0.5
    return out


def _spread(name: str, value: Tensor, dim: int, size: int, stays: Tensor) -> Tensor:
    if dim >= value.dim() or value.shape[dim] != len(stays):
        raise SurgeryError(f"tensor {name!r} is {tuple(value.shape)}, which this cut does not leave", tensor=name)
    wide = value.new_zeros(*value.shape[:dim], size, *value.shape[dim + 1 :])
    return wide.index_copy_(dim, stays.to(value.device), value)
