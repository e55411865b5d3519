"""What it costs to store a matrix in few bits, and to train with it as it will be stored: ours beside faiss.

    python -m benchmarks.coding_speed

Rows are of a thousand clusters, as learned tables are. Every encoding codes them once, then takes steps of training in
which all rows move a little, with the compiled kernels and without; faiss learns and codes as many bytes. All in one
process on one thread. Writes results/coding_speed.json.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import mean, median
from typing import Any

import faiss
import numpy as np
import torch
from benchmarks.coded_search import drawn
from benchmarks.result import write_result
from threadpoolctl import threadpool_limits
from torch import Tensor

from recprune.dispatch import which
from recprune.encodings.spelled import spelled

__all__ = ["main"]

SIZES = ((12_101, 64, 16), (43_097, 128, 32))
"""Items, dimensions, bytes of a row of product codes. 12,101 are those of Amazon Beauty, 43,097 of Diginetica."""
OTHERS = ("int8_rows", "int4_rows", "int4_rotated_rows", "int2_rotated_rows")
RUNS, STEPS = 3, 16
"""Times that a matrix is coded, and steps of training."""
MOVED = 1e-3
"""How far an entry moves in a step, in the mean."""
COLUMNS = (
    *("rows", "stored as", "bytes a row", "squared error, %", "s to code", "without kernels", "times faster"),
    *("ms a step", "without kernels, ms", "times as fast"),
)


def main() -> None:
    """Measure everything and write the result."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        faiss.omp_set_num_threads(1)
        rows = [row for size in SIZES for row in rows_of(*size)]
    write_result(
        "coding_speed",
        "What coding costs, and a step of training in codes, one thread",
        COLUMNS,
        rows,
        notes=[
            f"Seconds of the processor, kernels: {which()}; to code: medians of {RUNS}; a step: means of {STEPS}, in "
            "which product codes move their books twice, every row being coded anew every eighth step",
            "Squared error: of the rows that the codes stand for, of the squares of all entries",
            "faiss PQ: learned and coded by IndexPQ, 8 bits a group, its own number of rounds",
            "Rows: 1,000 clusters, and noise of a third of their length",
        ],
        data=["random numbers"],
        seeds=[0],
        command="python -m benchmarks.coding_speed",
    )


def rows_of(n: int, dim: int, size: int) -> list[list[Any]]:
    """The lines of one size."""
    items = torch.from_numpy(drawn(n, dim, 2)[0])
    found = []
    for text in (f"product_rows(m={size - 1},b=8)", *OTHERS):
        print(f"{n:,} x {dim}, {text}", flush=True)
        code, step = coding(items, text), stepping(items, text)
        left = error(items, spelled(text).encode(items).dense())
        width = size if text.startswith("product") else wide(text, dim)
        found.append([f"{n:,} × {dim}", text, width, left, *code, code[1] / code[0], *step, step[1] / step[0]])
    found.append([f"{n:,} × {dim}", "faiss PQ", size, *by_faiss(items.numpy(), size), *[None] * 5])
    return found


def wide(text: str, dim: int) -> int:
    """Bytes of a row and its scale."""
    codes = spelled(text).encode(torch.zeros(2, dim)).codes
    return codes.shape[1] * codes.element_size() + 2


def coding(items: Tensor, text: str) -> list[float]:
    """Seconds to code the matrix, with kernels and without."""
    return both(lambda: [took(lambda: spelled(text).encode(items)) for _ in range(RUNS)], median)


def stepping(items: Tensor, text: str) -> list[float]:
    """Milliseconds of a step of training, with kernels and without."""

    def steps() -> list[float]:
        draw, encoding, moving = torch.Generator().manual_seed(0), spelled(text), items.clone()
        _, kept = encoding.nearest(moving, None)
        times = []
        for _ in range(STEPS):
            moving += MOVED * torch.randn(moving.shape, generator=draw)
            begin = time.process_time()
            _, kept = encoding.nearest(moving, kept)
            times.append(1000 * (time.process_time() - begin))
        return times

    return both(steps, mean)


def both(times: Callable[[], list[float]], of: Callable[[list[float]], float]) -> list[float]:
    """What the times come to with the kernels and without."""
    before, found = os.environ.get("RECPRUNE_KERNELS"), []
    for way in (before, "numpy"):
        if way is not None:
            os.environ["RECPRUNE_KERNELS"] = way
        found.append(of(times()))
    if before is None:
        del os.environ["RECPRUNE_KERNELS"]
    else:
        os.environ["RECPRUNE_KERNELS"] = before
    return found


def by_faiss(items: Any, size: int) -> tuple[float, float]:
    """Its error, and seconds to learn and to code."""

    def made() -> Any:
        index = faiss.IndexPQ(items.shape[1], size, 8)
        index.train(items)
        index.add(items)
        return index

    seconds, index = median(took(made) for _ in range(RUNS)), made()
    decoded = index.reconstruct_n(0, len(items))
    return error(torch.from_numpy(items), torch.from_numpy(np.asarray(decoded))), seconds


def took(what: Callable[[], object]) -> float:
    begin = time.process_time()
    what()
    return time.process_time() - begin


def error(items: Tensor, decoded: Tensor) -> float:
    """What is left of the squares, in percent."""
    return round(100 * float((items - decoded).square().sum() / items.square().sum()), 3)


if __name__ == "__main__":
    main()
