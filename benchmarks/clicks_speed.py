"""What makes click models fast, part by part: `python -m benchmarks.clicks_speed [deepfm] [dcn]`.

Each model writes results/clicks_speed_NAME.json: tables merged, runtimes, int8 and pruning beside the dense model in
torch and in ONNX Runtime, and torch-pruning (`pip install 'recprune[bench,onnx]'`). The smallest cut whose validation
AUC is within ALLOWED of the dense model is taken, ours and theirs alike; the test part is scored for those. Trained
models are kept under benchmarks/runs. `--rows 300` tries everything on so many rows of each part for one epoch, and
writes nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.clicks import few
from benchmarks.clicks_speed_models import ALLOWED, DENSE, RATIOS, SMALL, THEIRS, parameters, per_field, trained
from benchmarks.recipes import Recipe, frappe_dcn, frappe_deepfm
from benchmarks.result import write_result
from torch import nn

from recprune.data.dataset import Split
from recprune.errors import ExtensionError
from recprune.evaluation.clicks import click_scores
from recprune.evaluation.inputs import row_inputs
from recprune.evaluation.speed import Speed, compare_calls, ratio
from recprune.packing import pack, storing
from recprune.runtimes.asking import Compiled, agree, arrays
from recprune.runtimes.eager import eager
from recprune.runtimes.kernels import kernels
from recprune.runtimes.measure import machine
from recprune.runtimes.onnx import onnx

__all__ = ["main"]

RUNS = Path(__file__).resolve().parent / "runs"
RECIPES: dict[str, Callable[[int], Recipe]] = {"deepfm": frappe_deepfm, "dcn": frappe_dcn}
TITLES = {"deepfm": "DeepFM", "dcn": "DCN-V2"}
FACTORS = {"deepfm": (0.5, 0.6, 0.7), "dcn": (0.6, 0.7, 0.8)}
"""Shares of all parameters that leave as dims and neurons, ours; tables keep their rows."""
EPOCHS, TUNING = 12, 16
BATCHES = (1, 64, 256, 4096)
REPEATS, SECONDS = 300, 2.0
COLUMNS = ("model", "runtime", "parameters", "bytes", "test AUC", "minus dense")
RUNTIMES = {"eager": eager, "ONNX Runtime": onnx, "kernels": kernels}
PER_FIELD, INT8 = "dense, a table a field", ", int8"
FIRST = (DENSE, "eager")


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A model in a runtime. size: bytes of its weights as they are stored."""

    model: nn.Module
    run: Compiled
    size: int


def main(names: list[str], rows: int | None = None) -> None:
    """Measure the models of those names, all where none is named."""
    torch.set_num_threads(1)
    for name in names or list(RECIPES):
        model, split, options = RECIPES[name](0)
        split = split if rows is None else few(split, rows)
        options = options if rows is None else replace(options, batch=64)
        place = RUNS / f"clicks_speed-{name}{'' if rows is None else f'-{rows}-rows'}"
        epochs, tuning = (EPOCHS, TUNING) if rows is None else (1, 1)
        models = trained(place, model, split, options, epochs, tuning, FACTORS[name])
        sides, refused = all_sides(models, split)
        speeds = timed(sides, split)
        table = [row(key, sides, speeds, split) for key in sides]
        table = [[*line, *times(key, speeds)] for line, key in zip(table, sides, strict=True)]
        columns = [*COLUMNS, *(f"{what}, {n:,} rows" for what in ("ms", "times dense eager") for n in BATCHES)]
        said = [*gains(speeds), *refused, *notes(name)]
        if rows is not None:
            print(*(json.dumps(line) for line in [columns, *table, said]), sep="\n")
            continue
        written = write_result(
            f"clicks_speed_{name}",
            f"What makes {TITLES[name]} on Frappe fast",
            columns,
            table,
            notes=said,
            data=["frappe"],
            seeds=[0],
            command=f"python -m benchmarks.clicks_speed {name}",
        )
        print(f"written: {written}")


# --- sides ---


def all_sides(models: Mapping[str, nn.Module], split: Split) -> tuple[dict[tuple[str, str], Side], list[str]]:
    """(model, runtime) -> what is timed, each asked first whether it answers as its model; and which cannot be."""
    whole: dict[str, nn.Module] = {PER_FIELD: per_field(models[DENSE])}
    for name, model in models.items():
        whole[name] = model
        if name != THEIRS:
            whole[name + INT8] = pack(model, storing(model, "int8_rows"))
    sides, refused = {}, []
    for name, model in whole.items():
        model.eval()
        columns = arrays(row_inputs(model, split.test, slice(0, 512)))
        for runtime, make in RUNTIMES.items():
            try:
                run = make(model, columns)
                agree(model, run, columns)
                sides[name, runtime] = Side(model, run, stored_bytes(model))
            except ExtensionError as error:
                refused.append(f"Not timed: {name}, {runtime}: {error}")
    return sides, refused


def stored_bytes(model: nn.Module) -> int:
    """Bytes of all tensors as they are stored."""
    return sum(t.numel() * t.element_size() for t in model.state_dict().values())


def timed(sides: Mapping[tuple[str, str], Side], split: Split) -> dict[int, dict[tuple[str, str], Speed]]:
    """Rows of a call -> side -> milliseconds, in turn, other test rows in each call."""
    first, order = next(iter(sides.values())).model, np.random.default_rng(0).permutation(len(split.test))
    out = {}
    for rows in BATCHES:
        turns = [arrays(row_inputs(first, split.test, np.resize(np.roll(order, -rows * t), rows))) for t in range(8)]
        calls = {" | ".join(key): caller(side.run, cycle(turns)) for key, side in sides.items()}
        found = compare_calls(calls, rows, repeats=REPEATS, threads=1, seconds=SECONDS)
        out[rows] = {key: found[" | ".join(key)] for key in sides}
    return out


def caller(run: Compiled, turns: Any) -> Callable[[], object]:
    return lambda: run(next(turns))


# --- told ---


def row(
    key: tuple[str, str], sides: Mapping[tuple[str, str], Side], speeds: Mapping[int, Any], split: Split
) -> list[Any]:
    """A line of the table. The AUC is that of what the runtime itself answers."""
    side, dense = sides[key], sides[FIRST]
    value, first = (_auc_of(one, split) for one in (side, dense))
    took = [round(speeds[rows][key].median, 4) for rows in BATCHES]
    return [*key, parameters(side.model), side.size, round(value, 5), round(value - first, 5), *took]


def _auc_of(side: Side, split: Split) -> float:
    step = 8192
    parts = [slice(begin, begin + step) for begin in range(0, len(split.test), step)]
    found = [side.run(arrays(row_inputs(side.model, split.test, part))) for part in parts]
    return click_scores(np.concatenate(found), split.test["label"]).mean["auc"] or 0.0


def times(key: tuple[str, str], speeds: Mapping[int, Mapping[tuple[str, str], Speed]]) -> list[float]:
    """How many times as fast as the dense model of recprune in torch."""
    return [round(ratio(found[FIRST], found[key])[0], 2) for found in speeds.values()]


def gains(speeds: Mapping[int, Mapping[tuple[str, str], Speed]]) -> list[str]:
    """What each part gave, all else equal: the median of the ratios call by call, and where 8 of 10 lie."""
    parts = {
        "tables merged into one (dense, eager)": ((PER_FIELD, "eager"), FIRST),
        "kernels instead of eager (dense)": (FIRST, (DENSE, "kernels")),
        "ONNX Runtime instead of eager (dense)": (FIRST, (DENSE, "ONNX Runtime")),
        "int8 (dense, kernels)": ((DENSE, "kernels"), (DENSE + INT8, "kernels")),
        "pruning (kernels)": ((DENSE, "kernels"), (SMALL, "kernels")),
        "pruning (eager)": (FIRST, (SMALL, "eager")),
        "pruning and kernels, of dense eager": (FIRST, (SMALL, "kernels")),
        "pruning and kernels, of a table a field in eager": ((PER_FIELD, "eager"), (SMALL, "kernels")),
        "pruning and kernels, of torch-pruning in ONNX Runtime": ((THEIRS, "ONNX Runtime"), (SMALL, "kernels")),
    }
    out = []
    for what, (before, after) in parts.items():
        told = []
        for rows, found in speeds.items():
            if before in found and after in found:
                median, low, high = ratio(found[before], found[after])
                told.append(f"{median:.2f} ({low:.2f} to {high:.2f}) at {rows:,}")
        out += [f"Times as fast by {what}: {', '.join(told)} rows"] if told else []
    return out


def notes(name: str) -> list[str]:
    """What to know before reading the table."""
    return [
        f"One thread, calls in turn, other test rows in each; {machine()}",
        f"Dense: {EPOCHS} epochs; ours and torch-pruning's: {TUNING} epochs of fine-tuning with the dense model as "
        f"teacher. Of {len(FACTORS[name])} factors and {len(RATIOS)} ratios the smallest model whose validation AUC is "
        f"at most {ALLOWED} below the dense one",
        "Dims and neurons are cut in multiples of 4 (of torch-pruning, 8 is asked for); tables keep their rows; norms "
        "are folded by the kernels alone",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help=", ".join(RECIPES))
    parser.add_argument("--rows", type=int)
    said = parser.parse_args()
    main(said.names, said.rows)
