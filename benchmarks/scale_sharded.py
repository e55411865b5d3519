"""What a step of training moves: tables whole with each of the workers, and their rows parted among them.

`python -m benchmarks.scale_sharded [--rows 10000 100000 1000000] [--workers 1 2 4]` writes results/scale_sharded.json.
MF by bpr with 1 negative, batches of 4,096 pairs of drawn users and items; each run is a process of its own under
torchrun. Bytes are those of the first worker, counted; what docs/scale.md says of them stands beside.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.result import write_result

__all__ = ["main", "measure"]

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("users", "workers", "tables", "numbers a worker", "MB a step", "told", "ms a step", "ms / one worker")
ITEMS, DIM, BATCH, STEPS = 2000, 32, 4096, 8


def main(arguments: Sequence[str]) -> int:
    """Measure every size, number of workers and way, and write the result."""
    options = parsed(arguments)
    if options.child:
        rows, ways, out = options.child
        return child(int(rows), ways == "parted", Path(out))
    table = []
    for rows in options.rows:
        alone = 0.0
        for workers in options.workers:
            for way in ("whole", "parted")[: 1 if workers == 1 else 2]:
                said = run(rows, workers, way)
                alone = alone or said["ms"]
                told = None if said["told"] is None else round(said["told"] / 1e6, 2)
                moved, times = round(said["moved"] / 1e6, 2), round(said["ms"] / alone, 2)
                table.append([rows, workers, way, said["numbers"], moved, told, round(said["ms"]), times])
                print(table[-1], file=sys.stderr, flush=True)
    write_result(
        "scale_sharded",
        "Training with tables whole and in shards",
        COLUMNS,
        table,
        notes=[
            f"MF of {DIM} dims and {ITEMS:,} items by bpr, 1 negative, {BATCH:,} pairs a step over all workers, "
            f"{STEPS} steps, one thread each; MB that the first worker hands over",
            "told: the bytes of gradients of whole tables, or ids, rows and gradients of those looked up (step_cost)",
        ],
        data=["drawn"],
        seeds=[0],
    )
    return 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def run(rows: int, workers: int, way: str) -> dict[str, Any]:
    """One way with so many workers."""
    with tempfile.TemporaryDirectory(prefix="recprune-sharded-") as folder:
        out = Path(folder) / "said.json"
        many = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(workers)] if workers > 1 else []
        command = [sys.executable, *many, "-m", "benchmarks.scale_sharded", "--child", str(rows), way, str(out)]
        subprocess.run(command, cwd=ROOT, check=True)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def child(rows: int, parted: bool, out: Path) -> int:
    """Inside a worker: train, and let the first one say what it took."""
    import torch

    from recprune.training.together import joined

    torch.set_num_threads(1)
    with joined() as workers:
        said = measure(rows, parted, workers)
        if workers.rank == 0:
            out.write_text(json.dumps(said), encoding="utf-8")
    return 0


def measure(rows: int, parted: bool, workers: Any) -> dict[str, Any]:
    """Bytes and milliseconds of a step after one to warm up, and the numbers that this worker trains."""
    import torch

    from recprune.models.mf import MF
    from recprune.training.fit import FitOptions, fit
    from recprune.training.sharded import shard

    torch.manual_seed(0)
    model = MF(rows, ITEMS, dim=DIM)
    if parted:
        shard(model, workers, over=0)
    numbers = sum(parameter.numel() for parameter in model.parameters())
    options = FitOptions(epochs=1, batch=BATCH, loss="bpr", negatives=1)
    fit(model, drawn(rows, BATCH), options, workers=workers)
    moved, begin = getattr(workers, "moved", 0), time.perf_counter()
    fit(model, drawn(rows, STEPS * BATCH), options, workers=workers)
    took = 1000 * (time.perf_counter() - begin) / STEPS
    moved = (getattr(workers, "moved", 0) - moved) / STEPS
    return {"numbers": numbers, "moved": moved, "ms": took, "told": told(rows, parted, workers.size)}


def told(rows: int, parted: bool, size: int) -> float | None:
    """The bytes of a step by the formulas. Different ids among n drawn of R are R (1 - (1 - 1 / R)^n)."""
    from recprune.scale.cost import step_cost

    if size == 1:
        return None
    if not parted:
        return 4.0 * ((rows + ITEMS) * DIM + ITEMS)
    each, share = 4 * ITEMS, BATCH // size  # the bias of the items is whole
    for among in ((rows, share), (ITEMS, 2 * share)):
        different = among[0] * (1 - (1 - 1 / among[0]) ** among[1])
        each += step_cost(among[0], DIM, [round(different / size)] * size).sent
    return float(each)


def drawn(rows: int, pairs: int) -> Any:
    """A split with so many pairs of drawn users and items to train on, and nothing to validate on."""
    import numpy as np

    from recprune.data.dataset import Dataset, Roles, Split
    from recprune.data.vocabulary import Vocabulary

    rng = np.random.default_rng(pairs)
    columns = {
        "user": np.sort(rng.integers(1, rows, pairs)).astype(np.int32),
        "item": rng.integers(1, ITEMS, pairs).astype(np.int32),
    }
    names = {
        name: Vocabulary(name, [str(n) for n in range(1, size)]) for name, size in (("user", rows), ("item", ITEMS))
    }
    whole = Dataset(columns, names, Roles(user="user", item="item"))
    nothing = whole.take(np.zeros(pairs, dtype=np.bool_))
    return Split(whole, nothing, nothing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
