"""Sparse tensors as dense parts: a graph's adjacency goes into a file as its indices and its values."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
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
    odd = _odd_csr(parts, facts.shape) if facts.layout == "csr" else _odd_coo(parts, facts.shape)
    if odd:
        raise SurgeryError(f"the sparse tensor {name!r} is damaged: {odd}", tensor=name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if facts.layout == "csr":
                starts, columns, values = parts
                return torch.sparse_csr_tensor(starts, columns, values, facts.shape, check_invariants=True)
            indices, values = parts
            return torch.sparse_coo_tensor(indices, values, facts.shape, check_invariants=True, is_coalesced=True)
    except (RuntimeError, ValueError, TypeError) as error:
        raise SurgeryError(f"the sparse tensor {name!r} is damaged: {error}", tensor=name) from error


def _odd_csr(parts: Sequence[Tensor], shape: tuple[int, ...]) -> str:
    """Why these starts, columns and values are no sparse matrix; empty where they are. One pass over the entries."""
    starts, columns, values = parts
    if len(shape) != 2 or not starts.dim() == columns.dim() == values.dim() == 1:
        return f"shape {shape} and parts of {[tuple(p.shape) for p in parts]} make no matrix"
    if starts.dtype is not columns.dtype or starts.dtype not in (torch.int64, torch.int32):
        return f"indices are {starts.dtype} and {columns.dtype}, and not both int64 or int32"
    if len(starts) != shape[0] + 1 or len(columns) != len(values):
        return f"{len(starts):,} starts for {shape[0]:,} rows, {len(columns):,} columns for {len(values):,} values"
    if int(starts[0]) != 0 or int(starts[-1]) != len(columns) or bool((starts[1:] < starts[:-1]).any()):
        return f"its starts do not rise from 0 to {len(columns):,}"
    if len(columns) and not 0 <= int(columns.min()) <= int(columns.max()) < shape[1]:
        return f"a column lies outside of 0..{shape[1] - 1}"
    rows = torch.repeat_interleave(torch.arange(shape[0]), starts.long().diff())
    if bool(((rows[1:] == rows[:-1]) & (columns[1:] <= columns[:-1])).any()):
        return "the columns of a row do not rise"
    return ""


def _odd_coo(parts: Sequence[Tensor], shape: tuple[int, ...]) -> str:
    """Why these indices and values are no sparse tensor whose entries stand once each, in order; empty if they are."""
    indices, values = parts
    if indices.dim() != 2 or indices.dtype is not torch.int64 or not 0 < len(indices) <= len(shape):
        return f"indices of {tuple(indices.shape)}, {indices.dtype} for the shape {shape}"
    if values.dim() != 1 + len(shape) - len(indices) or len(values) != indices.shape[1]:
        return f"{indices.shape[1]:,} indices and values of {tuple(values.shape)}"
    later = torch.zeros(max(len(values) - 1, 0), dtype=torch.bool)
    same = ~later
    for axis, size in zip(indices, shape, strict=False):
        if len(axis) and not 0 <= int(axis.min()) <= int(axis.max()) < size:
            return f"an index lies outside of 0..{size - 1}"
        later |= same & (axis[1:] > axis[:-1])
        same &= axis[1:] == axis[:-1]
    return "" if bool(later.all()) else "its entries do not stand once each, in order"
