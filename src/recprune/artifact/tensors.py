"""Tensors: those of a model whose class is not at hand, so that they can be stored by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from torch import Tensor, nn

from recprune.errors import ArtifactError

__all__ = ["Tensors"]


class Tensors(nn.Module):
    """A bag of tensors, to be stored; floats as parameters, all others as buffers.

    stands_for: the class whose tensors they are, as package.module:Class; an instance of it has to be given when they
    are loaded.
    """

    def __init__(self, tensors: Mapping[str, Tensor], stands_for: str) -> None:
        super().__init__()
        self.stands_for = stands_for
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not tensor.is_sparse and not tensor.is_sparse_csr:
                self._parameters[name] = nn.Parameter(tensor, requires_grad=False)
            else:
                self._buffers[name] = tensor

    def forward(self, *columns: Tensor) -> NoReturn:
        """Tensors alone compute nothing. Raises ArtifactError."""
        raise ArtifactError("these are tensors without a model; give recprune.load an instance of the class")
