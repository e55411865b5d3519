"""How long a click model takes to score rows: by torch, and by the runtime that `recprune serve` would take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import NamedTuple

import numpy as np
from torch import nn

from recprune.data.dataset import Split
from recprune.errors import ExtensionError
from recprune.evaluation.inputs import Renumber, row_inputs
from recprune.evaluation.speed import compare_calls
from recprune.runtimes.asking import Columns, Compiled, agree, arrays
from recprune.runtimes.eager import eager
from recprune.runtimes.kernels import kernels
from recprune.runtimes.onnx import onnx

__all__ = ["ServedClicks", "served_clicks"]

RUNTIMES = {"eager": eager, "onnx": onnx, "kernels": kernels}
TURNS = 8
"""Batches of other rows, asked one after the other."""


ASKED = 512
"""Rows that a runtime has to answer as the model does, before it is timed."""


class ServedClicks(NamedTuple):
    """Medians in milliseconds of a call: by torch, and by the fastest runtime that answers alike, which is `way`."""

    eager: float
    fastest: float
    way: str


def served_clicks(
    models: Mapping[str, tuple[nn.Module, Renumber | None]],
    split: Split,
    rows: int,
    *,
    repeats: int = 200,
    seconds: float = 5.0,
) -> dict[str, ServedClicks]:
    """Time calls of so many test rows, all models and runtimes in turn, one thread. models: with the new codes of ids,
    where ids left."""
    order = np.random.default_rng(0).permutation(len(split.test))
    calls: dict[str, Callable[[], object]] = {}
    for label, (model, codes) in models.items():
        picked = [np.resize(np.roll(order, -rows * turn), rows) for turn in range(TURNS)]
        turns = [arrays(row_inputs(model, split.test, some, renumber=codes)) for some in picked]
        columns = arrays(row_inputs(model, split.test, order[:ASKED], renumber=codes))
        for way, run in running(model.eval(), columns).items():
            calls[f"{label} | {way}"] = asking(run, turns)
    found = compare_calls(calls, rows, repeats=repeats, threads=1, seconds=seconds)
    out = {}
    for label in models:
        times = {way: found[key].median for way in RUNTIMES if (key := f"{label} | {way}") in found}
        way = min(times, key=times.__getitem__)
        out[label] = ServedClicks(times["eager"], times[way], way)
    return out


def running(model: nn.Module, columns: Columns) -> dict[str, Compiled]:
    """The runtimes that take the model and answer as it does."""
    out = {}
    for way, make in RUNTIMES.items():
        try:
            run = make(model, columns)
            agree(model, run, columns)
        except ExtensionError as error:
            print(f"not timed: {type(model).__name__}, {way}: {error}", flush=True)
            continue
        out[way] = run
    return out


def asking(run: Compiled, turns: list[Columns]) -> Callable[[], object]:
    """A call that scores other rows every time."""
    coming = cycle(turns)
    return lambda: run(next(coming))
