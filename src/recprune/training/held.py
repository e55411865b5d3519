"""held(): entries of a table that are to stay zero, held there while the rest is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from recprune.errors import TrainingError

__all__ = ["held", "place"]


@contextlib.contextmanager
def held(model: nn.Module, kept: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside, only the kept entries of some tables count and are trained; all others are 0, and stay so afterwards.

    kept: parameter -> (n,) flat positions. In place; names in `state_dict` are others inside. Raises TrainingError for
    a name that is no parameter of one module.

    >>> with held(model, sparse.kept):
    ...     fit(model, split)
    """
    places = {name: place(model, name) for name in kept}
    for name, (module, attribute) in places.items():
        parametrize.register_parametrization(module, attribute, _Mask(getattr(module, attribute), kept[name]))
    try:
        yield
    finally:
        for module, attribute in places.values():
            parametrize.remove_parametrizations(module, attribute, leave_parametrized=True)


class _Mask(nn.Module):
    """Zero everywhere but at some positions."""

    def __init__(self, table: Tensor, kept: Tensor) -> None:
        super().__init__()
        mask = torch.zeros(table.numel(), dtype=torch.bool, device=table.device)
        mask[kept] = True
        self.mask: Tensor
        self.register_buffer("mask", mask.view_as(table))

    def forward(self, table: Tensor) -> Tensor:
        return table.masked_fill(~self.mask, 0.0)


def place(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that holds a parameter, and its attribute. Raises TrainingError where none does, or several do."""
    found = dict(model.named_parameters(remove_duplicate=False))
    if name not in found:
        raise TrainingError(f"no parameter {name!r}; there are: {', '.join(found)}", tensor=name)
    shared = [other for other, tensor in found.items() if tensor is found[name]]
    if len(shared) > 1:
        raise TrainingError(f"{' and '.join(shared)} are one tensor, which cannot be held zero in one place only")
    path, _, attribute = name.rpartition(".")
    return model.get_submodule(path), attribute
