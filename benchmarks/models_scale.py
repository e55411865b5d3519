"""What training costs as data grow: `python -m benchmarks.models_scale [--models ease sasrec] [--sizes 1 2 4 8 16]`.

Logs of the simulator grow along one side at a time: more users (each with 25 rows), more items, more rows of each user.
One epoch of every trained model, and the whole of every solved one, runs in a process of its own; `benchmarks/results/
models_scale.json` holds seconds of the processor, peak memory above that of the data, and by which power of the size
the seconds grow. Measured points are kept under benchmarks/runs. `python -m benchmarks.models_scale --plot` draws
docs/models_scale.svg from the result.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.log_plot import Line, log_plot
from benchmarks.result import FOLDER, write_result

from recprune.atomic import write_bytes
from recprune.data.dataset import Split
from recprune.data.encode import encode
from recprune.data.log import clean
from recprune.data.negatives import with_negatives
from recprune.data.simulate import simulate
from recprune.data.split import split_by_user_time
from recprune.models.build import build
from recprune.testing import tiny_split
from recprune.training.fit import FitOptions, fit

__all__ = ["main"]

RUNS = Path(__file__).resolve().parent / "runs"
SIZES = (1, 2, 4, 8, 16)
SIDES = ("users", "items", "rows")
BASE = {"users": 500, "items": 1000, "rows": 25}
"""Users, items, and rows of each user at size 1."""
LISTS = ("item_knn", "ease", "slim", "spectral", "als", "fism", "mixture", "mf", "lightgcn", "ultragcn")
CLICKS = ("lr", "fm", "deepfm", "wide_deep", "dcn", "autoint", "fgcnn", "neumf")
SEQUENCES = ("caser", "gru4rec", "nextitnet", "sasrec")
SOLVED = frozenset({"item_knn", "ease", "slim", "spectral", "als"})
ONE = FitOptions(epochs=1, batch=1024, threads=1)


@dataclass(frozen=True, slots=True)
class Point:
    """Seconds of the processor, and bytes of memory above what was there before."""

    seconds: float
    memory: int


def main(models: Sequence[str], sizes: Sequence[int]) -> None:
    """Measure what was not yet, write the result."""
    torch.set_num_threads(1)
    warm()
    found = {name: {side: [point(name, side, n) for n in sizes] for side in SIDES} for name in models}
    path = write_result(
        "models_scale",
        "What training costs as data grow",
        [
            "model",
            *(f"{what} x {sizes[-1]}: {said}" for what in SIDES for said in ("seconds", "power", "peak MB")),
            "seconds at size 1",
        ],
        [row(name, found[name], sizes) for name in models],
        notes=[
            f"Size 1: {BASE['users']:,} users with {BASE['rows']} rows each, {BASE['items']:,} items; one side grows "
            f"at a time, by {', '.join(map(str, sizes))}; more users have more rows together",
            "Power: the slope of log seconds over log size, least squares over all sizes",
            "Seconds of the processor of one epoch in batches of 1,024, without validation; of the whole solution of "
            f"{', '.join(name for name in models if name in SOLVED)}; peak memory above that of the data",
        ],
        data=["simulator"],
        seeds=[0],
    )
    result = json.loads(path.read_text(encoding="utf-8"))
    result["points"] = {
        name: {
            side: [[n, p.seconds, p.memory] for n, p in zip(sizes, found[name][side], strict=True)] for side in SIDES
        }
        for name in models
    }
    write_bytes(path, (json.dumps(result, indent=1) + "\n").encode())
    print(f"written: {path}")


def warm() -> None:
    """What torch only reads when the first model learns is not in the seconds of a process that begins here."""
    split = tiny_split()
    fit(build("mf", split, dim=2), split, FitOptions(epochs=1))


def row(name: str, found: Mapping[str, list[Point]], sizes: Sequence[int]) -> list[Any]:
    """A line of the table."""
    cells: list[Any] = [name]
    for side in SIDES:
        seconds = [point.seconds for point in found[side]]
        power = float(np.polyfit(np.log(sizes), np.log(np.maximum(seconds, 1e-3)), 1)[0]) if len(sizes) > 1 else None
        cells += [
            round(seconds[-1], 2),
            None if power is None else round(power, 2),
            round(found[side][-1].memory / 1e6),
        ]
    return [*cells, round(found[SIDES[0]][0].seconds, 2)]


def point(name: str, side: str, size: int) -> Point:
    """One measurement, read where it was made before."""
    path = RUNS / f"models_scale-{name}-{side}-{size}.json"
    if not path.exists():
        split = data_of(kind_of(name), side, size)
        context = multiprocessing.get_context("fork")
        inside, outside = context.Pipe(duplex=False)
        child = context.Process(target=measured, args=(name, split, outside))
        child.start()
        outside.close()
        seconds, memory = inside.recv()
        child.join()
        RUNS.mkdir(exist_ok=True)
        write_bytes(path, json.dumps({"seconds": seconds, "memory": memory}).encode())
        print(f"{name}, {side} x {size}: {seconds:.2f} s, {memory / 1e6:.0f} MB", flush=True)
    return Point(**json.loads(path.read_text(encoding="utf-8")))


def measured(name: str, split: Split, out: Any) -> None:
    """Train in this process, say seconds and bytes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    model = build(name, split, seed=0)
    fit(model, split, None if name in SOLVED else ONE)
    seconds = time.process_time() - begin
    out.send((seconds, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)))


def kind_of(name: str) -> str:
    """Which log a model is trained on."""
    return "label" if name in CLICKS else "implicit"


@cache
def data_of(kind: str, side: str, size: int) -> Split:
    """A log of that size: the last tenth of every user is test, nothing is validation."""
    shape = {**BASE, side: BASE[side] * size}
    rows = shape["users"] * shape["rows"]
    made = simulate(shape["users"], shape["items"], rows, feedback="label" if kind == "label" else "implicit")
    split = split_by_user_time(encode(clean(made.log)), test=0.1, valid=0.0)
    return with_negatives(split) if kind == "label" and "label" not in split.train.columns else split


def plot() -> None:
    """Draw docs/models_scale.svg: a panel a side, a row of them for each sort of model, a line a model."""
    result = json.loads((FOLDER / "models_scale.json").read_text(encoding="utf-8"))
    rows = [
        {
            f"{sort}: {side}, times {BASE[side]:,}": [
                Line(name, [n for n, *_ in points[side]], [seconds for _, seconds, _ in points[side]])
                for name, points in result["points"].items()
                if name in names
            ]
            for side in SIDES
        }
        for sort, names in (("lists", LISTS), ("clicks", CLICKS), ("sequences", SEQUENCES))
        if any(name in names for name in result["points"])
    ]
    path = FOLDER.parent.parent / "docs" / "models_scale.svg"
    write_bytes(path, log_plot(rows, "seconds of the processor").encode())
    print(f"written: {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=[*LISTS, *CLICKS, *SEQUENCES])
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--plot", action="store_true")
    said = parser.parse_args()
    plot() if said.plot else main(said.models, said.sizes)
