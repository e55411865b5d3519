"""What it costs to prepare a log in parts: beside the same in memory, over sizes, and on Ray with 1, 2 and 4 workers.

`python -m benchmarks.scale_parts [--rows 2000000 4000000 8000000] [--cache FOLDER]` writes results/scale_parts.json.
Each run is a process of its own. CPU seconds and bytes are those of that process, so that of Ray, whose workers are
others, only the wall time is told, and beside it how long Ray takes to start. The model of docs/scale.md bounds the
bytes: `at most` stands beside `written`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.result import write_result

__all__ = ["bound", "main"]

ROOT = Path(__file__).resolve().parent.parent
WAYS = ("memory", "local", "ray 1", "ray 2", "ray 4")
COLUMNS = (
    "rows",
    "way",
    "start s",
    "wall s",
    "CPU s",
    "peak GB",
    "read MB",
    "written MB",
    "at most MB",
    "wall / memory",
)
MEMORY = 128 << 20
"""Bytes of a worker: less than three times the smallest log, which would be prepared in memory otherwise."""


def main(arguments: Sequence[str]) -> int:
    """Measure every size and way, and write the result."""
    options = parsed(arguments)
    if options.child:
        return child(*options.child)
    from benchmarks.scale_log import make

    rows = []
    with tempfile.TemporaryDirectory(prefix="recprune-parts-") as temporary:
        for size in options.rows:
            file = make(options.cache or Path(temporary), size, 0)["parquet"]
            found = {way: run(way, file, Path(temporary)) for way in options.ways}
            for way, said in found.items():
                alone = found.get("memory", said)
                times = round(said["wall"] / alone["wall"], 2)
                model = round(bound(size, said["kept"]) / 1e6) if way == "local" else None
                rows.append(
                    [
                        size,
                        way,
                        *(said[name] for name in ("start", "wall", "cpu", "peak", "read", "written")),
                        model,
                        times,
                    ]
                )
                print(rows[-1], file=sys.stderr, flush=True)
    write_result(
        "scale_parts",
        "Preparing a log in parts",
        COLUMNS,
        rows,
        notes=[
            "Parquet with user, item, rating and time; 5-core, split by time; a worker has 128 MiB, so that the engine "
            "local prepares all of these in parts; wall: without the start of Ray; one run each"
        ],
        data=["made by benchmarks/scale_log.py"],
        seeds=[0],
    )
    return 0


def bound(rows: int, kept: int) -> float:
    """Bytes that the stages write at most, by the model of docs/scale.md.

    Of every row its columns (16 for a text, and its bytes where they are more than 12: user and item of 14 and 10
    characters; 4 of the rating, 8 of the time) and 8 of its place; the same with ids as numbers of 4; one in each turn,
    three here at most. Of every row that stays 8 of the time, its numbers with its place and one of its part, then 20
    without its place, once as parts of the result and once in it, where they are compressed.
    """
    return rows * (16 + 14 + 16 + 4 + 8 + 8) + rows * (28 + 3) + kept * (8 + 29 + 20 + 20)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000_000, 4_000_000, 8_000_000])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--cache", type=Path, help="where the logs stay for the next time; default: they do not stay")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def run(way: str, file: Path, folder: Path) -> dict[str, Any]:
    """One way in a process of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        command = [sys.executable, "-m", "benchmarks.scale_parts", "--child", way, str(file), f"{out}/prepared"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def child(way: str, file: str, out: str) -> int:
    """Inside the process: prepare, and say what it took."""
    from recprune.data.read import read
    from recprune.discover import load
    from recprune.recipe.prepare import SplitBy, keep, prepare
    from recprune.scale import Scale, engines, prepare_large

    how: dict[str, Any] = {"cleaning": {"k_core": 5}, "by": SplitBy("time")}
    engine, _, workers = way.partition(" ")
    coming = time.perf_counter()
    with nullcontext() if way == "memory" else load(engines, engine)(int(workers or 1)):
        before, cpu, begin = counters(), time.process_time(), time.perf_counter()
        if way == "memory":
            made = prepare(read(file), **how)
            keep(made, Path(out))
            facts = made.facts()
        else:
            facts = prepare_large(file, out, **how, scale=Scale(engine, int(workers or 1), MEMORY))
        wall = time.perf_counter() - begin
    told: dict[str, Any] = {"start": round(begin - coming, 2) if way.startswith("ray") else None}
    told |= {"wall": round(wall, 2), "kept": sum(facts["rows"].values())}
    after, alone = counters(), not way.startswith("ray")
    told |= {"cpu": round(time.process_time() - cpu, 2) if alone else None, "peak": peak() if alone else None}
    told |= {name: round((after[name] - before[name]) / 1e6) if alone else None for name in ("read", "written")}
    print(json.dumps(told))
    return 0


def counters() -> dict[str, int]:
    """Bytes that this process has read and written, by any call."""
    said = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return {"read": int(said["rchar"]), "written": int(said["wchar"])}


def peak() -> float:
    """Gigabytes that this process had in memory at most."""
    import resource

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
