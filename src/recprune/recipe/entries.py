"""Tables by some of their entries, as many as fit a number of bytes: the largest, or those that training has found."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.encodings.codes import Layout
from recprune.encodings.sparse_rows import SparseRows, largest
from recprune.encodings.spelled import Encoding, spelled
from recprune.errors import BudgetError
from recprune.packing import pack
from recprune.planning.file_size import Facts, file_size, packed_facts
from recprune.recipe.pep import tables_of
from recprune.tracing.build import named_tensors
from recprune.tracing.inputs import Example
from recprune.training.soft_threshold import Sparse

__all__ = ["largest_entries", "most_entries", "pack_sparse"]

SLACK = 64
"""Bytes by which numbers in the header may be longer than in one of few entries."""


def largest_entries(
    model: nn.Module,
    limit: int,
    *,
    floor: int = 0,
    bits: int = 0,
    tables: Sequence[str] | None = None,
    example: Example | None = None,
) -> nn.Module:
    """The model with the largest entries of its tables alone, as many as fit: its weights file takes `limit` bytes at
    most. A new model, packed by `sparse_rows`.

    floor: so many entries of every row stay before any other; bits: 8 or 4 of a value, 0 as it is. tables: weights that
    lose entries, all together by one order of size (None: `tables_of`). Magnitude pruning with a floor a row: Tran et
    al. 2024 (A Thorough Performance Benchmarking on Lightweight Embedding-based Recommender Systems), where the floor
    is found on validation: try some. Raises BudgetError where the floors alone take more.
    """
    names = tables_of(model) if tables is None else list(tables)
    found = {name: tensor.detach() for name, tensor in named_tensors(model).items()}
    facts = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in found.items()}
    counts, least = _order([found[name] for name in names], floor, 2 if bits == 4 else 1)

    def chosen(number: int) -> dict[str, Encoding]:
        even = counts[number - 1] + (counts[number - 1] % 2 if bits == 4 else 0)
        said = {n: spelled(_text(int(count), floor, bits)) for n, count in zip(names, even, strict=True)}
        return {name: way for name, way in said.items() if _pays(way, facts[name])}

    low, high = least, len(counts)
    if (fewest := file_size(packed_facts(facts, chosen(low)))) > limit:
        raise BudgetError(
            f"{limit:,} bytes cannot be met: {floor} entries a row and all else take {fewest:,}. Lower the floor",
            bytes=limit,
            reachable=fewest,
        )
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if file_size(packed_facts(facts, chosen(middle))) <= limit else (low, middle - 1)
    return pack(model, {name: str(way) for name, way in chosen(low).items()}, example)


def pack_sparse(found: Sparse, *, bits: int = 0, example: Example | None = None) -> nn.Module:
    """The model whose entries training has found, packed by `sparse_rows`, with as many as there are. bits: 8 or 4 of a
    value, 0 as it is (which loses nothing)."""
    least = 2 if bits == 4 else 1
    return pack(found.model, {n: _text(max(len(k), least), 0, bits) for n, k in found.kept.items()}, example)


def most_entries(model: nn.Module, limit: int, *, bits: int = 0, tables: Sequence[str] | None = None) -> float:
    """The share of the entries of the tables that `pack_sparse` fits into a weights file of `limit` bytes, however they
    lie in the tables. Raises BudgetError where there is room for next to none."""
    names = tables_of(model) if tables is None else list(tables)
    facts: dict[str, Facts] = {name: (t.dtype, tuple(t.shape)) for name, t in named_tensors(model).items()}
    shapes = [(facts[name][1][0], facts[name][1][1]) for name in names]
    width = bits / 8 if bits else facts[names[0]][0].itemsize
    layouts = [SparseRows.layout(rows, columns, torch.float32, entries=2) for rows, columns in shapes]
    bare = {name: spelled(_text(2, 0, bits)) for name in names}
    fixed = file_size(packed_facts(facts, bare)) + SLACK
    masks = sum(rows * -(-columns // 8) for rows, columns in shapes)
    told = sum(_size_of(lay, "mask", "indices", "counts") for lay in layouts)
    index = max(_size_of(lay, "indices") // 2 for lay in layouts)
    fitting = max((limit - fixed) / (width + index), (limit - fixed + told - masks) / width)
    total = sum(map(math.prod, shapes))
    entries = min(math.floor(fitting), total)
    if entries < 2 * len(names):
        raise BudgetError(f"{limit:,} bytes leave no room for entries: all else takes {fixed:,}", bytes=limit)
    return entries / total


def _pays(way: Encoding, facts: Facts) -> bool:
    dtype, shape = facts
    return way.stored_bytes(shape, dtype.itemsize) < math.prod(shape) * dtype.itemsize


def _size_of(layout: Layout, *parts: str) -> int:
    """Bytes of some parts, where they are there."""
    return sum(layout[name][0].itemsize * math.prod(layout[name][1]) for name in parts if name in layout)


def _text(entries: int, floor: int, bits: int) -> str:
    said = {"entries": entries, "floor": floor, "bits": bits}
    return f"sparse_rows({','.join(f'{name}={value}' for name, value in said.items() if value)})"


def _order(tables: Sequence[Tensor], floor: int, least: int) -> tuple[NDArray[np.int64], int]:
    """(entries, tables) how many entries of every table are among the first ones, and how many stay whatever else does:
    the floors, and `least` of each table."""
    sizes, owners, held = [], [], 0
    for number, table in enumerate(tables):
        first = largest(table, max(least, len(table) * min(floor, table.shape[1])), floor)
        sizes.append(table.abs().masked_fill(first, torch.inf).flatten())
        owners.append(torch.full((table.numel(),), number, dtype=torch.int8))
        held += int(first.sum())
    order = torch.cat(sizes).sort(descending=True, stable=True).indices
    owner = torch.cat(owners)[order].numpy()
    return np.stack([np.cumsum(owner == number) for number in range(len(tables))], 1), held
