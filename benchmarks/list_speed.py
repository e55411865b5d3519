"""How long lists of models that rank take, in every runtime that lists the same: `python -m benchmarks.list_speed`.

The mixture of a 15th of the bytes is the one that `benchmarks.gowalla` keeps under benchmarks/runs (seed 0). Models of
sequences have as many items, and weights as they are drawn: what they say takes as long. `--quick` asks a few times,
for few users, and writes no result.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.recipes import gowalla_fism
from benchmarks.result import write_result
from torch import nn

from recprune.artifact import load
from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.models.build import build
from recprune.runtimes.measure import Measured
from recprune.serving.measure import Requests, measure_lists
from recprune.serving.ways import names, ways

__all__ = ["main"]

KEPT = Path(__file__).resolve().parent / "runs" / "gowalla-small-1209019-0"
MANY, FEW = (1, 64, 256, 4096), (1, 64)
"""Users of a call; of models of sequences, which take seconds for many, fewer."""
SEQUENCES: Mapping[str, Mapping[str, int]] = {"sasrec": {"dim": 64}, "gru4rec": {"dim": 64}, "caser": {"dim": 64}}
COLUMNS = ["model", "users a call", *(f"{name}, ms" for name in names()), "the fastest", "times eager", "10 %", "90 %"]


def main(arguments: list[str]) -> None:
    """Measure everything and write the result."""
    quick = "--quick" in arguments
    _, split, _ = gowalla_fism(0)
    rows: list[list[Any]] = []
    refused: list[str] = []
    for name, model in models(split).items():
        users = (1, 16) if quick else MANY if name not in SEQUENCES else FEW
        found = measured(model, split, users, 15 if quick else 101, 3.0 if quick else 30.0)
        rows += told(name, found)
        refused += [f"{way} does not take {name}: {said}" for way, said in found.refused.items()]
        print("\n".join(map(str, rows[-len(users) :])), flush=True)
    if not quick:
        title = "Lists of 20 of models that rank, Gowalla, one thread"
        write_result("list_speed", title, COLUMNS, rows, notes=[*notes(), *refused], data=["gowalla"], seeds=[0])


def notes() -> list[str]:
    """What a reader has to know."""
    return [
        "Medians of a call by the clock, in turns, other users in each; lists were the same for 256 users",
        "onnx_kernels: ONNX Runtime finds what is looked for, a kernel the items; times eager: of torch, in turn",
        "mixture: 16 groups of product_rows and 249,106 pairs; models of sequences: drawn weights, 40,982 items",
    ]


def models(split: Split) -> dict[str, nn.Module]:
    """What is asked. Raises DataError where the mixture is not there."""
    if not KEPT.is_dir():
        raise DataError(f"{KEPT} is not there: python -m benchmarks.gowalla 0 makes it", path=str(KEPT))
    drawn = {name: build(name, split, seed=0, **options) for name, options in SEQUENCES.items()}
    return {"mixture, 1/15 of the bytes": load(KEPT).model, **drawn}


def measured(model: nn.Module, split: Split, users: tuple[int, ...], repeats: int, seconds: float) -> Measured:
    """All ways, on users of train in an order of their own."""
    histories = split.train.histories()
    order = np.random.default_rng(0).permutation(np.flatnonzero(histories.counts()))
    asked = Requests(order, histories, np.arange(histories.n_users))
    sizes = split.train.n_items, split.train.n_users
    how: dict[str, Any] = {"batches": users, "repeats": repeats, "seconds": seconds}
    return measure_lists(lambda: ways(model.eval(), *sizes), asked, **how)


def told(name: str, found: Measured) -> list[list[Any]]:
    """A row for each number of users."""
    made = []
    for users, best in found.fastest().items():
        speeds = found.speeds[users]
        times = np.array(speeds["eager"].samples) / np.array(speeds[best].samples)
        low, middle, high = np.percentile(times, [10, 50, 90]).tolist()
        cells = [speeds[way].median if way in speeds else None for way in names()]
        made.append([name, users, *cells, best, middle, low, high])
    return made


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
