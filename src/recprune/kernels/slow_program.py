"""The steps of a program in numpy: what runs where there are no C kernels, and what they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recprune.errors import DataError
from recprune.kernels.stored import Stored

if TYPE_CHECKING:
    from recprune.kernels.steps import Program

__all__ = ["read_slowly", "run_slowly"]

Floats = NDArray[np.float32]
IDS = (np.dtype(np.int32), np.dtype(np.int64))
SHAPES = {"id": (IDS, 1), "ids": (IDS, 2), "number": ((np.dtype(np.float32),), 1)}


def run_slowly(program: Program, columns: Sequence[NDArray[Any]]) -> Floats:
    """(rows,) logits. Raises DataError for columns that are none of the program, and for ids that a table has not."""
    _check(program, columns)
    rows = len(columns[0])
    slots = [np.zeros((rows, width), dtype=np.float32) for width in program.widths]
    logits = np.full(rows, program.bias, dtype=np.float32)
    with np.errstate(all="ignore"):
        for step in program.steps:
            _STEPS[type(step).__name__](step, columns, slots, logits)
    return logits


def read_slowly(program: Program, sequences: NDArray[np.integer]) -> Floats:
    """(rows, width) what stands in the last row of the last slot, after each sequence without the places of id 0.
    Raises DataError for ids that a table has not."""
    out = np.empty((len(sequences), program.widths[-1]), dtype=np.float32)
    for row, sequence in enumerate(sequences):
        places = np.flatnonzero(sequence)
        begin = min(_begin(step, places) for step in program.steps)
        if begin < len(sequence):
            places = np.arange(begin, len(sequence))
        slots = [np.zeros((len(places), width), dtype=np.float32) for width in program.widths]
        for step in program.steps:
            columns = sequence[places], places
            _STEPS[type(step).__name__](step, columns, slots, np.zeros(len(places), dtype=np.float32))
        out[row] = slots[-1][-1]
    return out


def _begin(step: Any, places: NDArray[np.integer]) -> int:
    """The place from which on a step leaves none out; beyond the last where it leaves out those of id 0."""
    name = type(step).__name__
    if name in ("Largest", "Weigh") or (name == "Window" and not step.masked):
        return 0
    return int(places[0]) if name in ("Recur", "Window") else int(places[-1]) + 1


def _check(program: Program, columns: Sequence[NDArray[Any]]) -> None:
    found = [(column.dtype, column.ndim) for column in columns]
    fits = len(found) == len(program.columns) and all(
        dtype in SHAPES[said][0] and dims == SHAPES[said][1]
        for (dtype, dims), said in zip(found, program.columns, strict=True)
    )
    if not fits or len({len(column) for column in columns}) != 1:
        told = ", ".join(f"{dtype} in {dims} dims" for dtype, dims in found)
        raise DataError(f"columns are {told}, and {', '.join(program.columns)} are needed, all of as many rows")


def _put(step: Any, found: Floats, slots: list[Floats], logits: Floats) -> None:
    if step.into < 0:
        logits += found[:, 0]
    else:
        slots[step.into][:, step.at : step.at + found.shape[1]] = found


def _rows(table: Stored, which: NDArray[np.integer]) -> Floats:
    if which.size and (which.min() < 0 or which.max() >= len(table.rows)):
        raise DataError(f"an id is none of its table, which has {len(table.rows):,} rows")
    found = table.numbers(which)
    found = found if table.scale is None else found * table.scale[which][:, None]
    return found if table.turn is None else found @ table.turn.T


def _look_up(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    _put(step, _rows(step.table, columns[step.column].astype(np.int64) + step.offset), slots, logits)


def _mean(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    ids = columns[step.column].astype(np.int64)
    there = (ids != 0).astype(np.float32)
    found = _rows(step.table, ids.reshape(-1)).reshape(*ids.shape, step.table.columns) * there[:, :, None]
    _put(step, found.sum(1) / np.maximum(there.sum(1), 1)[:, None], slots, logits)


def _standard(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    apart = np.stack([columns[place] for place in step.columns], 1) - step.mean
    slots[step.into][:, : len(step.columns)] = np.nan_to_num(apart * step.scale)
    if step.missing >= 0:
        slots[step.missing][:, : len(step.columns)] = np.isnan(apart)


def _spread(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    some = len(step.weight)
    found = slots[step.slot][:, :some, None] * step.weight + step.bias
    if step.missing >= 0:
        found = found + slots[step.missing][:, :some, None] * step.gone
    _put(step, found.reshape(len(found), -1), slots, logits)


def _layer(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    out, width = step.weight.shape
    if step.times > 1:
        vectors = slots[step.slot][:, : step.times * width].reshape(len(logits), step.times, width)
        found = (vectors @ step.weight.T + step.bias).reshape(len(logits), -1)
        slots[step.into][:, : found.shape[1]] = np.maximum(found, 0) if step.relu else found
        return
    found = slots[step.slot][:, :width] @ step.weight.T + step.bias
    found = found if step.first < 0 else found * slots[step.first][:, :out]
    found = found if step.plus < 0 else found + slots[step.plus][:, :out]
    slots[step.into][:, :out] = np.maximum(found, 0) if step.relu else found


def _pairs(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    vectors = slots[step.slot][:, : step.count * step.width].reshape(len(logits), step.count, step.width)
    logits += 0.5 * (vectors.sum(1) ** 2 - (vectors**2).sum(1)).sum(1)


def _dot(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    logits += slots[step.slot] @ step.weight


def _product(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    slots[step.into][:] = slots[step.slot] * slots[step.other]


def _attend(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    shape = len(logits), step.count, step.heads, step.width
    some = step.count * step.heads * step.width
    query, key, value = (
        slots[slot][:, :some].reshape(shape).transpose(0, 2, 1, 3) for slot in (step.query, step.key, step.value)
    )
    scores = query @ key.transpose(0, 1, 3, 2)
    shares = np.exp(scores - scores.max(3, keepdims=True))
    mixed = (shares / shares.sum(3, keepdims=True)) @ value
    found = mixed.transpose(0, 2, 1, 3).reshape(len(logits), some) + slots[step.rest][:, :some]
    slots[step.into][:, :some] = np.maximum(found, 0)


def _sum(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    slots[step.into][:] = slots[step.slot] + slots[step.other]


def _norm(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    apart = slots[step.slot] - slots[step.slot].mean(1, keepdims=True)
    deviation = np.sqrt((apart * apart).mean(1, keepdims=True) + np.float32(step.least))
    found = apart / deviation * step.weight + step.bias
    slots[step.into][:] = np.maximum(found, 0) if step.relu else found


def _look_back(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    rows, some = len(logits), step.heads * step.width
    query, key, value = (
        slots[slot][:, :some].reshape(rows, step.heads, step.width).transpose(1, 0, 2)
        for slot in (step.query, step.key, step.value)
    )
    scores = np.where(np.tri(rows, dtype=bool), query @ key.transpose(0, 2, 1), -np.inf)
    shares = np.exp(scores - scores.max(2, keepdims=True))
    mixed = (shares / shares.sum(2, keepdims=True)) @ value
    slots[step.into][:, :some] = mixed.transpose(1, 0, 2).reshape(rows, some)


def _recur(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    state = np.zeros(step.weight.shape[1], dtype=np.float32)
    for row, gates in enumerate(slots[step.slot]):
        (reset, keep, new), (of_reset, of_keep, of_new) = (np.split(part, 3) for part in (gates, step.weight @ state))
        reset, keep = (1 / (1 + np.exp(-part)) for part in (reset + of_reset, keep + of_keep))
        new = np.tanh(new + reset * of_new)
        state = new + keep * (state - new)
        slots[step.into][row] = state


def _window(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    rows = slots[step.slot] * (columns[0] != 0)[:, None] if step.masked else slots[step.slot]
    for place in range(step.count):
        back, width = (step.count - 1 - place) * step.apart, rows.shape[1]
        seen = np.zeros_like(rows)
        seen[back:] = rows[: max(len(rows) - back, 0)]
        slots[step.into][:, place * width : (place + 1) * width] = seen


def _largest(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    found = slots[step.slot][step.first :].max(0)
    slots[step.into][-1, step.at : step.at + len(found)] = found


def _weigh(step: Any, columns: Sequence[NDArray[Any]], slots: list[Floats], logits: Floats) -> None:
    found = step.weight @ slots[step.slot] + step.bias[:, None]
    slots[step.into][-1, step.at : step.at + found.size] = found.reshape(-1)


_STEPS = {
    "Window": _window,
    "Largest": _largest,
    "Weigh": _weigh,
    "Recur": _recur,
    "Sum": _sum,
    "Norm": _norm,
    "LookBack": _look_back,
    "Attend": _attend,
    "LookUp": _look_up,
    "Mean": _mean,
    "Standard": _standard,
    "Spread": _spread,
    "Layer": _layer,
    "Pairs": _pairs,
    "Dot": _dot,
    "Product": _product,
}
