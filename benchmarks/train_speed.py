"""Training time of models beside that of other packages: `python -m benchmarks.train_speed [MODEL ...] [--quick]`.

One epoch of each, or the whole of what is solved, in turns, of the same shapes and batches, on one thread. Runs in an
environment that has recprune and as many of recbole, deepctr-torch, torch-rechub and implicit as go together (recbole
asks for numpy<2, scipy<1.13, pandas<3 and setuptools<81); what is not there is left out. Some minutes. `--quick` asks
each once, without memory, and writes nothing.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import multiprocessing
import resource
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from benchmarks.result import write_result
from benchmarks.train_pairs import CLICKS, LENGTH, PAIRS, ROWS, USERS, WINDOWS, Pair
from benchmarks.train_peers import Train, installed

from recprune.data.dataset import Dataset

__all__ = ["main", "peak", "row", "turns"]

PACKAGES = ("recbole", "deepctr-torch", "torch-rechub", "implicit")
LEAST, MOST, SECONDS = 3, 9, 6.0
"""Turns of a pair: not below, not above; none begins after so many seconds by the clock."""
COLUMNS = ["model", "beside", "s", "from, to", "its s", "its from, to", "ratio", "peak MB", "its peak MB"]


def main(models: Sequence[str] = (), quick: bool = False) -> None:
    """Measure the models of those names, all where none is named, and write the result when all were."""
    warnings.simplefilter("ignore")
    rows = []
    for pair in PAIRS:
        if models and pair.model not in models:
            continue
        try:
            rows.append(row(pair, quick))
        except ModuleNotFoundError as error:
            print(f"{pair.peer} is not here: {error}", file=sys.stderr)
            continue
        print(*rows[-1], sep=" | ", flush=True)
    if not models and not quick:
        title = "Training time beside other packages, one thread"
        path = write_result("train_speed", title, COLUMNS, rows, notes=notes(), data=["ml-100k", "frappe"], seeds=[0])
        print(f"written: {path}")


def row(pair: Pair, quick: bool = False) -> list[Any]:
    """A line of the table."""
    data = pair.data()
    ours, theirs = pair.ours(data), pair.theirs(data)
    mine, other = turns(ours, theirs, *((1, 1, 0.0) if quick else (LEAST, MOST, SECONDS)))
    ratio = float(np.median(np.array(other) / np.array(mine)))
    memory = [None, None] if quick else [round(peak(make, data) / 1e6) for make in (pair.ours, pair.theirs)]
    return [pair.model, pair.peer, *spread(mine), *spread(other), round(ratio, 2), *memory]


def turns(ours: Train, theirs: Train, least: int, most: int, seconds: float) -> tuple[list[float], list[float]]:
    """Seconds of the processor of both, one after the other, after a turn that does not count."""
    ours(), theirs()
    mine, other, begin = [], [], time.perf_counter()
    while len(mine) < least or (len(mine) < most and time.perf_counter() - begin < seconds):
        mine.append(ours())
        other.append(theirs())
    return mine, other


def spread(times: Sequence[float]) -> tuple[float, str]:
    """Median, and lowest to highest."""
    return round(float(np.median(times)), 3), f"{min(times):.3f} to {max(times):.3f}"


def peak(make: Callable[[Dataset], Train], data: Dataset) -> int:
    """Bytes that a process of its own takes above those it began with, to build and to train once."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what this process has freed would be there for the other one
    context = multiprocessing.get_context("fork")
    inside, outside = context.Pipe(duplex=False)
    child = context.Process(target=_once, args=(make, data, outside))
    child.start()
    outside.close()
    found: int = inside.recv()
    child.join()
    return found


def _once(make: Callable[[Dataset], Train], data: Dataset, out: Any) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    make(data)()
    out.send(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))


def notes() -> list[str]:
    """What a reader has to know."""
    here = ", ".join(f"{name} {number}" for name, number in installed(PACKAGES).items())
    return [
        "Seconds of the processor of one epoch by each package's own trainer, without reading the data and without "
        "validation; of the whole solution of ease, item_knn and als; medians in turns. Ratio: median of the other's "
        "time over ours",
        "Peak: what a process of its own takes to build and to train once, above the data",
        "The same widths, layers, dropout, batch and step size, Adam without penalties (implicit: its own steps, SGD a "
        "pair at a time for BPR, 3 steps of conjugate gradients for ALS, where als solves exactly)",
        f"Lists: MovieLens 100K, batches of {CLICKS:,}, one drawn item a pair. Sequences: the last {LENGTH + 1} items "
        f"of {USERS} of its users, softmax over all items; RecBole learns from {CLICKS:,} prefixes a step, caser too, "
        f"the others from {WINDOWS} windows of {LENGTH}, which hold as many items to find. Clicks: {ROWS:,} rows of "
        "Frappe, neumf: MovieLens 100K with a drawn item beside each, batches of 1,024",
        f"Beside {here}",
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*")
    parser.add_argument("--quick", action="store_true")
    said = parser.parse_args()
    main(said.models, said.quick)
