"""Operations that move, split, join or drop axes without touching a number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from recprune.tracing.ledger import Labels
from recprune.tracing.step import Axes, Source, Step, never

__all__ = ["follow", "operations"]

operations = (
    "aten.view.default",
    "aten._unsafe_view.default",
    "aten.reshape.default",
    "aten._reshape_alias.default",
    "aten.t.default",
    "aten.transpose.int",
    "aten.permute.default",
    "aten.transpose_.default",
    "aten.t_.default",
    "aten.unsqueeze.default",
    "aten.unsqueeze_.default",
    "aten.squeeze.default",
    "aten.squeeze.dim",
    "aten.squeeze_.default",
    "aten.squeeze_.dim",
    "aten.squeeze.dims",
    "aten.expand.default",
    "aten.repeat.default",
    "aten.select.int",
    "aten.slice.Tensor",
    "aten.split.Tensor",
    "aten.split_with_sizes.default",
    "aten.unsafe_split.Tensor",
    "aten.unsafe_split_with_sizes.default",
    "aten.unbind.int",
    "aten.index_select.default",
    "aten.flip.default",
    "aten.roll.default",
    "aten.masked_select.default",
)


def follow(step: Step) -> Axes | tuple[Axes, ...]:
    """One small function an operation."""
    axes, name = step.axes_of(0), step.operation.split(".")[1]
    name = name.rstrip("_").removeprefix("unsafe_")
    if name in ("view", "_unsafe_view", "reshape", "_reshape_alias"):
        return _reshape(step, axes, tuple(step.output.shape))
    if name in ("t", "transpose", "permute"):
        plain = axes.source if axes.source is not None and axes.source.dim is None else None
        return replace(axes.pick(_order(step, name, len(axes.labels))), source=plain)
    if name == "unsqueeze":
        return _unsqueeze(axes, int(step.arg(1, "dim")) % (len(axes.labels) + 1))
    if name == "squeeze":
        return _squeeze(step, axes)
    if name == "expand":
        return _expand(step, axes)
    if name == "repeat":
        return _repeat(axes, [int(n) for n in step.arg(1, "repeats")])
    if name == "roll":
        for d in step.dims(2, "dims"):
            step.freeze(axes.labels[d], "units change their places")
        return replace(axes, source=None)
    if name == "masked_select":
        return _selected(step, axes)
    return _picked(step, axes, name)


def _order(step: Step, name: str, rank: int) -> list[int]:
    order = list(range(rank))
    if name == "permute":
        return [d % rank for d in step.arg(1, "dims")]
    first, second = (0, rank - 1) if name == "t" else (step.arg(1, "dim0") % rank, step.arg(2, "dim1") % rank)
    order[first], order[second] = order[second], order[first]
    return order


def _unsqueeze(axes: Axes, dim: int) -> Axes:
    one = never([1])
    labels, zero = list(axes.labels), list(axes.zero)
    labels.insert(dim, one.labels[0])
    zero.insert(dim, True)
    source = axes.source
    if source is not None and source.dim is not None:
        source = replace(source, dim=source.dim + (dim <= source.dim))
    return Axes(tuple(labels), tuple(zero), source)


def _squeeze(step: Step, axes: Axes) -> Axes:
    dims = step.dims(1) if len(step.args) > 1 or "dim" in step.kwargs else range(len(axes.labels))
    gone = [d for d in dims if len(axes.labels[d]) == 1]
    for d in gone:
        step.freeze(axes.labels[d], "an axis of width 1 is squeezed away")
    source = axes.source if axes.source is None or axes.source.dim is None else None
    return replace(axes.without(gone), source=source)


def _expand(step: Step, axes: Axes) -> Axes:
    shape = step.output.shape
    extra = len(shape) - len(axes.labels)
    labels, zero = list(never(shape[:extra]).labels), [True] * extra
    for own, size in zip(range(len(axes.labels)), shape[extra:], strict=True):
        if len(axes.labels[own]) == size:
            labels.append(axes.labels[own])
            zero.append(axes.zero[own])
        else:
            step.freeze(axes.labels[own], "an axis of width 1 is stretched")
            first = not labels  # batches have no units
            labels.append(never([size]).labels[0] if first else step.ledger.fresh("stretched", "stretched", size))
            zero.append(first)
    return Axes(tuple(labels), tuple(zero))


def _selected(step: Step, axes: Axes) -> Axes:
    """All numbers in a row where none was left out; it is tried out whether others can be."""
    numbers = step.output.numel()
    if numbers == step.args[0].numel():
        return _reshape(step, replace(axes, source=None), (numbers,))
    for labels in axes.labels:
        step.freeze(labels, "numbers are picked by a mask")
    return never(step.output.shape)


def _repeat(axes: Axes, times: list[int]) -> Axes:
    """An axis n times in a row: a unit that leaves takes n positions."""
    extra = len(times) - len(axes.labels)
    new = never(times[:extra])
    labels = [np.tile(old, n) for old, n in zip(axes.labels, times[extra:], strict=True)]
    return Axes((*new.labels, *labels), (*new.zero, *axes.zero))


def _picked(step: Step, axes: Axes, name: str) -> Axes | tuple[Axes, ...]:
    dim = int(step.arg(1, "dim", 0)) if name in ("select", "slice", "index_select") else int(step.arg(2, "dim", 0))
    if name == "unbind":
        dim = int(step.arg(1, "dim", 0))
    dims = [d % len(axes.labels) for d in step.arg(1, "dims")] if name == "flip" else [dim % len(axes.labels)]
    out = step.output[0] if isinstance(step.output, tuple | list) else step.output
    if name == "slice" and out.shape == axes.shape:
        return axes
    if name in ("slice", "split", "split_with_sizes") and (blocks := _halves(step, axes, dims[0], name)) is not None:
        return blocks if name != "slice" else blocks[0]
    for d in dims:
        step.freeze(axes.labels[d], "units are picked by their position")
    if name in ("select", "unbind"):
        one = axes.without(dims)
        places = range(axes.shape[dims[0]]) if name == "unbind" else [int(step.arg(2, "index"))]
        sources = [_column(axes, dims[0], place) for place in places]
        picked = tuple(replace(one, source=source) for source in sources)
        return picked if name == "unbind" else picked[0]
    return _resized(step, axes, dims[0], name)


def _halves(step: Step, axes: Axes, dim: int, name: str) -> tuple[Axes, ...] | None:
    """Parts of one size, such as gates: all lose the same positions. None where the parts are not of one size."""
    parts = list(step.output) if name != "slice" else [step.output]
    size, width = axes.shape[dim], parts[0].shape[dim]
    start = (step.arg(2, "start") or 0) if name == "slice" else 0
    even = width > 1 and size % width == 0 and start % width == 0 and all(p.shape[dim] == width for p in parts)
    if not even or not step.ledger.live(axes.labels[dim]) or (name == "slice" and step.arg(4, "step", 1) != 1):
        return None
    grid = axes.labels[dim].reshape(-1, width)
    first = grid[0]
    for row in grid[1:]:
        first = step.merge(first, row, "it is one of several parts of one size")
    chosen = range(len(grid)) if name != "slice" else [start % size // width]
    return tuple(replace(_with(axes, dim, grid[row]), source=None) for row in chosen)


def _with(axes: Axes, dim: int, labels: Labels) -> Axes:
    return replace(axes, labels=(*axes.labels[:dim], labels, *axes.labels[dim + 1 :]))


def _column(axes: Axes, dim: int, index: int) -> Source | None:
    """Where the ids come from when one position of an axis is taken."""
    source, size = axes.source, axes.shape[dim]
    if source is None or source.pointer is not None:
        return None
    if source.dim is not None:
        return Source((source.columns[index],)) if source.dim == dim else None
    return _part(axes, dim, index % size, index % size + 1)


def _part(axes: Axes, dim: int, start: int, end: int) -> Source | None:
    """Columns `start` to `end` of a matrix of ids; other axes say nothing of where the ids come from."""
    source = axes.source
    if source is None or source.dim is not None:
        return None
    if len(axes.labels) != 2 or dim != 1 or source.pointer is not None:
        return source
    begin = source.part[0] if source.part is not None else 0
    return replace(source, part=(begin + start, begin + end))


def _resized(step: Step, axes: Axes, dim: int, name: str) -> Axes | tuple[Axes, ...]:
    start = 0
    regular = name in ("slice", "split", "split_with_sizes") and step.arg(4, "step", 1) == 1
    if name == "slice":
        size, first = axes.shape[dim], step.arg(2, "start") or 0
        start = min(max(first + size if first < 0 else first, 0), size)

    def like(tensor: Tensor) -> Axes:
        nonlocal start
        labels, size = list(axes.labels), tensor.shape[dim]
        labels[dim] = never([size]).labels[0]
        source = _part(axes, dim, start, start + size) if regular else _part(axes, 0, 0, 0)
        start += size
        return Axes(tuple(labels), axes.zero, source)

    output: Any = step.output
    return tuple(like(t) for t in output) if isinstance(output, tuple | list) else like(output)


def _reshape(step: Step, axes: Axes, shape: tuple[int, ...]) -> Axes:
    if axes.shape == shape:
        return axes
    labels: list[Labels] = []
    zero: list[bool] = []
    for mine, theirs in _blocks(axes.shape, shape):
        joined, flag = _join(step, axes, mine)
        for part in _parts(step, joined, [shape[d] for d in theirs]):
            labels.append(part)
            zero.append(flag)
    source = axes.source if axes.source is not None and axes.source.dim is None else None
    return Axes(tuple(labels), tuple(zero), source)


def _blocks(old: tuple[int, ...], new: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """Pair up axes: the shortest runs of old and new axes that hold the same number of entries."""
    blocks: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        mine: list[int] = []
        theirs: list[int] = []
        a = b = 1
        while True:
            if a == b and mine and theirs:
                break
            if i < len(old) and (a < b or (a == b and not mine) or j >= len(new)):
                a *= old[i]
                mine.append(i)
                i += 1
            elif j < len(new):
                b *= new[j]
                theirs.append(j)
                j += 1
            else:
                break
        blocks.append((mine, theirs))
    return blocks


def _join(step: Step, axes: Axes, dims: list[int]) -> tuple[Labels, bool]:
    wide = [d for d in dims if len(axes.labels[d]) != 1]
    for d in dims:
        if d not in wide and len(dims) > 1:
            step.freeze(axes.labels[d], "an axis of width 1 is squeezed away")
    if not wide:
        return (axes.labels[dims[0]], axes.zero[dims[0]]) if len(dims) == 1 else (never([1]).labels[0], True)
    joined = axes.labels[wide[0]]
    for d in wide[1:]:
        joined = step.ledger.product(joined, axes.labels[d])
    live = [axes.zero[d] for d in wide if step.ledger.live(axes.labels[d])]
    return joined, all(live)


def _parts(step: Step, labels: Labels, sizes: list[int]) -> list[Labels]:
    if len(sizes) == 1:
        return [labels]
    if not sizes:
        step.freeze(labels, "an axis of width 1 is squeezed away")
        return []
    if sizes[0] == 1:
        return [never([1]).labels[0], *_parts(step, labels, sizes[1:])]
    if len(labels) == sizes[0]:
        return [labels, *(never([1]).labels[0] for _ in sizes[1:])]
    first, rest = step.ledger.factor(labels, sizes[0], step.module or "forward")
    return [first, *_parts(step, rest, sizes[1:])]
