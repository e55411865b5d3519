"""How long lists of models that rank take, in every runtime that lists the same: `python -m benchmarks.list_speed`.

The mixture of a 15th of the bytes is the one that `benchmarks.gowalla` keeps under benchmarks/runs (seed 0). Models of
sequences have as many items, and weights as they are drawn: what they say takes as long. Models that are named are
measured alone, beside what the table has of others already. `--quick` asks a few times, for few users, and writes no
result.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.recipes import gowalla_fism
from benchmarks.result import FOLDER, write_result
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
MIXTURE = "mixture, 1/15 of the bytes"
SEQUENCES = ("sasrec", "gru4rec", "nextitnet", "caser")
COLUMNS = ["model", "users a call", *(f"{name}, ms" for name in names()), "the fastest", "times eager", "10 %", "90 %"]


def main(arguments: list[str]) -> None:
    """Measure everything and write the result."""
    quick, wanted = "--quick" in arguments, [name for name in arguments if name != "--quick"]
    if not {*wanted} <= {MIXTURE, *SEQUENCES}:
        raise DataError(f"models are {MIXTURE!r}, {', '.join(SEQUENCES)}, not {', '.join(wanted)}")
    _, split, _ = gowalla_fism(0)
    rows: list[list[Any]] = []
    refused: list[str] = []
    for name, model in models(split, wanted).items():
        users = (1, 16) if quick else MANY if name not in SEQUENCES else FEW
        found = measured(model, split, users, 15 if quick else 101, 3.0 if quick else 30.0)
        rows += told(name, found)
        refused += [f"{way} does not take {name}: {said}" for way, said in found.refused.items()]
        print("\n".join(map(str, rows[-len(users) :])), flush=True)
    if not quick:
        title = "Lists of 20 of models that rank, Gowalla, one thread"
        kept, said = earlier({row[0] for row in rows}) if wanted else ([], [])
        more = [*refused, *said]
        write_result("list_speed", title, COLUMNS, [*kept, *rows], notes=[*notes(), *more], data=["gowalla"], seeds=[0])


def earlier(now: set[str]) -> tuple[list[list[Any]], list[str]]:
    """Rows of the table as it is, of models that are not measured now, and what it says of those."""
    path = FOLDER / "list_speed.json"
    if not path.exists():
        return [], []
    table = json.loads(path.read_text(encoding="utf-8"))
    kept = [row for row in table["rows"] if row[0] not in now]
    names = dict.fromkeys(row[0] for row in kept)
    said = [note for note in table["notes"] for name in names if f" does not take {name}: " in note]
    return kept, [*said, *([f"Measured in an earlier run: {'; '.join(names)}"] if names else [])]


def notes() -> list[str]:
    """What a reader has to know."""
    return [
        "Medians of a call by the clock, in turns, other users in each; lists were the same for 256 users",
        "onnx_kernels: ONNX Runtime finds what is looked for, a kernel the items; times eager: of torch, in turn",
        "mixture: 16 groups of product_rows and 249,106 pairs; models of sequences: drawn weights, 40,982 items",
    ]


def models(split: Split, wanted: Sequence[str]) -> dict[str, nn.Module]:
    """What is asked, all where none is named. Raises DataError where the mixture is to be asked and is not there."""
    made = {name: build(name, split, seed=0, dim=64) for name in SEQUENCES if name in (wanted or SEQUENCES)}
    if wanted and MIXTURE not in wanted:
        return made
    if not KEPT.is_dir():
        raise DataError(f"{KEPT} is not there: python -m benchmarks.gowalla 0 makes it", path=str(KEPT))
    return {MIXTURE: load(KEPT).model, **made}


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
