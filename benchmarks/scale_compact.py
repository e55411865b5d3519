"""A table in shards, cut by the workers of Ray, beside what was told on paper.

`python -m benchmarks.scale_compact --folder DIR [--bytes 10000000000] [--shards 8] [--workers 1 2 4]` makes the shards
where they are not there yet, cuts them to a fifth of their rows by each number of workers, and writes
results/scale_compact.json. What the workers read, write and hold is what the system counts for their processes. The
numbers of a table are drawn anew in every row, in 64 columns.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.result import write_result
from safetensors.numpy import save_file

from recprune.scale import Scale
from recprune.scale.compact import compact_shards
from recprune.scale.cost import compact_cost

__all__ = ["Watch", "main"]

DIM, SHARE, PIECE = 64, 0.2, 1 << 16
COLUMNS = ("workers", "wall s", "GB read", "GB read, told", "GB written", "GB written, told", "peak MB", "MB, told")


@dataclass(slots=True)
class Watch:
    """Looks at the processes whose command line begins with `ray::`, ten times a second, until it is left."""

    first: dict[int, dict[str, int]] = field(default_factory=dict)
    last: dict[int, dict[str, int]] = field(default_factory=dict)
    peak: dict[int, int] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            for place in Path("/proc").glob("[0-9]*"):
                with suppress(OSError, ValueError):
                    if (place / "cmdline").read_bytes().startswith(b"ray::"):
                        self._note(int(place.name), seen(place))

    def _note(self, number: int, now: dict[str, int]) -> None:
        self.first.setdefault(number, now)
        self.last[number] = now
        self.peak[number] = max(self.peak.get(number, 0), now["RssAnon"])

    def total(self, what: str) -> int:
        """Of all processes, since each was first seen."""
        return sum(self.last[number][what] - self.first[number][what] for number in self.last)

    def most(self) -> int:
        """Memory of the one that took most, Python and its libraries among it."""
        return max(self.peak.values(), default=0)


def seen(place: Path) -> dict[str, int]:
    """What a process has read and written so far, and the memory of its own that it holds, in bytes."""
    lines = [*(place / "io").read_text().splitlines(), *(place / "status").read_text().splitlines()]
    told = dict(line.split(":", 1) for line in lines)
    return {
        "rchar": int(told["rchar"]),
        "wchar": int(told["wchar"]),
        "RssAnon": int(told["RssAnon"].split()[0]) * 1024,
    }


def main(arguments: Sequence[str]) -> int:
    """Make the shards, measure, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--bytes", type=int, default=10_000_000_000)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--dry", action="store_true", help="write no result")
    asked = parser.parse_args(arguments)
    rows = asked.bytes // (DIM * 4) // asked.shards * asked.shards
    sources = made(asked.folder, rows, asked.shards)
    found: list[list[Any]] = []
    sums = set()
    for workers in asked.workers:
        line, checksum = measured(sources, asked.folder / "cut", rows, workers)
        found.append(line)
        sums.add(checksum)
        print(json.dumps(dict(zip(COLUMNS, line, strict=False))), flush=True)
    if len(sums) != 1:
        raise SystemExit("the rows that stay differ with the number of workers")
    if not asked.dry:
        written(asked.shards, rows, found)
    return 0


def made(folder: Path, rows: int, shards: int) -> list[Path]:
    """The files, drawn where they are not there; rows have different lengths."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:03}.safetensors" for number in range(shards)]
    for number, file in enumerate(files):
        if file.exists():
            continue
        rng, part = np.random.default_rng(number), np.empty((rows // shards, DIM), dtype=np.float32)
        for begin in range(0, len(part), PIECE):
            piece = part[begin : begin + PIECE]
            rng.standard_normal(dtype=np.float32, out=piece)
            piece *= rng.random((len(piece), 1), dtype=np.float32) + 0.5
        save_file({"item.weight": part}, file)
    return files


def measured(sources: Sequence[Path], out: Path, rows: int, workers: int) -> tuple[list[Any], str]:
    """One cut by so many workers: a line of the table, and a checksum of what was written."""
    kept = int(rows * SHARE)
    told = compact_cost(rows, DIM, kept, shards=len(sources), workers=workers)
    with Watch() as watch:
        begin = time.perf_counter()
        done = compact_shards(sources, out, kept, scale=Scale("ray", workers))
        wall = time.perf_counter() - begin
    checksum = hashlib.sha256("".join(one.sha256 for one in done).encode()).hexdigest()
    read, wrote = (watch.total(what) / 1e9 for what in ("rchar", "wchar"))
    line = [workers, round(wall, 1), read, told.read / 1e9, wrote, told.written / 1e9]
    numbers = [round(n, 3) if isinstance(n, float) else n for n in line]
    return [*numbers, round(watch.most() / 1e6), round(told.memory / 1e6)], checksum


def written(shards: int, rows: int, found: list[list[Any]]) -> None:
    """The table among the results."""
    notes = [
        f"{rows:,} rows of {DIM} float32 in {shards} shards, {rows * DIM * 4 / 1e9:.1f} GB, cut to a fifth of them; "
        "the files are the same to the bit for every number of workers",
        "Told: `recprune.scale.cost.compact_cost`. Read and written: what the system counts for the processes of the "
        "workers, the modules that they load among it; peak: memory of its own of the worker that held most, Python "
        "and its libraries (about 75 MB) among it, which what was told is beside",
    ]
    path = write_result(
        "scale_compact",
        "A table in shards cut by several workers of Ray",
        COLUMNS,
        found,
        notes=notes,
        data=[],
        seeds=[0],
        command="python -m benchmarks.scale_compact --folder DIR",
    )
    print(f"written: {path}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
