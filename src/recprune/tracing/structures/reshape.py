"""Views of another shape: axes are laid together or taken apart; also all numbers in a row that a mask lets through."""

from __future__ import annotations

from dataclasses import replace

from recprune.tracing.ledger import Labels
from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = (
    "aten.view.default",
    "aten._unsafe_view.default",
    "aten.reshape.default",
    "aten._reshape_alias.default",
    "aten.masked_select.default",
)


def follow(step: Step) -> Axes:
    """The shortest runs of old and new axes that hold as many entries belong together."""
    axes = step.axes_of(0)
    if step.operation == "aten.masked_select.default":
        return _selected(step, axes)
    return _reshape(step, axes, tuple(step.output.shape))


def _selected(step: Step, axes: Axes) -> Axes:
    """All numbers in a row where none was left out; it is tried out whether others can be."""
    numbers = step.output.numel()
    if numbers == step.args[0].numel():
        return _reshape(step, replace(axes, source=None), (numbers,))
    for labels in axes.labels:
        step.freeze(labels, "numbers are picked by a mask")
    return never(step.output.shape)


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
