"""Parts of an axis, picked by their place: the axis stays whole, but parts of one size lose the same positions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from recprune.tracing.ledger import Labels
from recprune.tracing.step import Axes, Source, Step, never
from recprune.tracing.structures.embedding import picked_rows, taken

__all__ = ["follow", "operations"]

operations = (
    "aten.select.int",
    "aten.slice.Tensor",
    "aten.split.Tensor",
    "aten.split_with_sizes.default",
    "aten.unsafe_split.Tensor",
    "aten.unsafe_split_with_sizes.default",
    "aten.unbind.int",
    "aten.index_select.default",
    "aten.flip.default",
)


def follow(step: Step) -> Axes | tuple[Axes, ...]:
    """The other axes go on; columns of a matrix of ids are known by their place."""
    ids = picked_rows(step)
    if ids is not None:
        return taken(step, step.look(ids))
    axes, name = step.axes_of(0), step.operation.split(".")[1].removeprefix("unsafe_")
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
