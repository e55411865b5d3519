"""Sparse tensors as dense parts: a graph's adjacency goes into a file as its indices and its values."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from recprune.errors import SurgeryError

__all__ = ["PARTS", "SPARSE", "SparseFacts", "joined", "parted"]

SPARSE: Mapping[torch.layout, str] = {torch.sparse_coo: "coo", torch.sparse_csr: "csr"}
"""Layouts that are taken apart, and what they are called."""

PARTS: Mapping[str, tuple[str, ...]] = {"coo": ("indices", "values"), "csr": ("crow_indices", "col_indices", "values")}
"""Layout -> the dense parts of such a tensor."""


@dataclass(frozen=True, slots=True)
class SparseFacts:
    """Layout ("coo" or "csr") and shape of a sparse tensor; its parts are named after it."""

    layout: str
    shape: tuple[int, ...]


def parted(name: str, tensor: Tensor) -> tuple[dict[str, Tensor], SparseFacts]:
    """The dense parts of a sparse tensor by their names in the file, and what is needed to join them."""
    layout = SPARSE[tensor.layout]
    whole = tensor.detach().coalesce() if layout == "coo" else tensor.detach()
    parts = {f"{name}.{part}": getattr(whole, part)() for part in PARTS[layout]}
    return parts, SparseFacts(layout, tuple(tensor.shape))


def joined(name: str, facts: SparseFacts, tensors: Mapping[str, Tensor]) -> Tensor:
    """The sparse tensor of parts in a file. Raises SurgeryError where parts are missing or point outside the shape."""
    names = [f"{name}.{part}" for part in PARTS.get(facts.layout, ("?",))]
    if any(part not in tensors for part in names):
        raise SurgeryError(f"the sparse tensor {name!r} is not whole: it needs {', '.join(names)}", tensor=name)
    parts = [tensors[part] for part in names]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if facts.layout == "csr":
                starts, columns, values = parts
                return torch.sparse_csr_tensor(starts, columns, values, facts.shape, check_invariants=True)
            indices, values = parts
            return torch.sparse_coo_tensor(indices, values, facts.shape, check_invariants=True).coalesce()
    except (RuntimeError, ValueError, TypeError) as error:
        raise SurgeryError(f"the sparse tensor {name!r} is damaged: {error}", tensor=name) from error
