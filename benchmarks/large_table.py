"""Compaction of a table larger than memory, beside dd that reads it and writes as many bytes as are left of it.

`python -m benchmarks.large_table --table FILE [--bytes 10000000000]` makes the table where it is not there yet
(scripts/make_table.py) and writes results/large_table.json. Each run is a process of its own, the table is not in the
cache of the system when it begins, and what is written is on the disk when it ends. The address space of recprune is
limited to 2 GiB. --check cuts the table once more, by a stable sort of all scores and a memory map, and compares.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.result import write_result

from recprune.large.compact import norms
from recprune.large.table import header, read_table

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 2 << 30
PIECE = 16 << 20
CUT = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[5]),) * 2)
from recprune.large import compact
said = compact(sys.argv[1], sys.argv[2], int(sys.argv[3]), scores=sys.argv[4] or None)
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"sha256": said.sha256, "bytes": said.bytes, "peak": peak * 1024}))
"""
COLUMNS = ("job", "wall s", "× of dd", "CPU s", "peak MB", "GB read", "GB written")


def main(arguments: Sequence[str]) -> int:
    """Make the table, measure, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--bytes", type=int, default=10_000_000_000)
    parser.add_argument("--keep", type=float, default=0.3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args(arguments)
    if not asked.table.exists():
        make = [sys.executable, str(ROOT / "scripts" / "make_table.py"), str(asked.table), "--bytes", str(asked.bytes)]
        subprocess.run(make, check=True)
    facts = read_table(asked.table)
    rows, scores = int(facts.rows * asked.keep), asked.table.with_suffix(".scores.npy")
    known_scores(asked.table, scores)
    out, size = asked.table.with_suffix(".cut"), asked.table.stat().st_size
    found: dict[str, list[dict[str, Any]]] = {"dd": [], "scores known": [], "scores measured": []}
    for _ in range(asked.repeats):
        for job, given in (("scores known", str(scores)), ("scores measured", "")):
            found[job].append(cut(asked.table, out, rows, given))
            print(job, found[job][-1], file=sys.stderr, flush=True)
        found["dd"].append(copied(asked.table, out, found["scores known"][-1]["bytes"]))
        print("dd", found["dd"][-1], file=sys.stderr, flush=True)
    sums = {run["sha256"] for job in ("scores known", "scores measured") for run in found[job]}
    notes = [told(asked.check, sums, asked.table, rows)]
    out.unlink()
    read, kept = size / 1e9, found["scores known"][0]["bytes"] / 1e9
    floors = {"dd": 1, "scores known": 1, "scores measured": 2}
    wall = {job: statistics.median(run["wall"] for run in runs) for job, runs in found.items()}
    once, write = (statistics.median(run[part] for run in found["dd"]) for part in ("read", "write"))
    table = [
        [
            job,
            wall[job],
            wall[job] / (floors[job] * once + write),
            statistics.median(run["cpu"] for run in runs),
            max(run["peak"] for run in runs) / 1e6 or None,
            read * floors[job],
            kept,
        ]
        for job, runs in found.items()
    ]
    write_result(
        "large_table",
        f"A table of {facts.rows:,} rows of {facts.columns} {facts.dtype}, cut to {rows:,} rows",
        COLUMNS,
        table,
        notes=[
            f"Medians of {asked.repeats} runs, one after the other; peak: the largest resident memory, in an address "
            f"space of {LIMIT / 2**30:.0f} GiB",
            "dd: seconds to read the table (twice, where scores are measured), and to write as many bytes as are left "
            "and bring them to the disk",
            *notes,
        ],
        data=["made by scripts/make_table.py"],
        seeds=[0],
    )
    return 0


def known_scores(table: Path, place: Path) -> None:
    """Squared lengths as a .npy file, where it is not there yet."""
    if place.exists():
        return
    facts = read_table(table)
    whole = np.memmap(table, dtype=np.float32, mode="r", offset=facts.begin, shape=(facts.rows, facts.columns))
    scores = np.lib.format.open_memmap(place, mode="w+", dtype=np.float32, shape=(facts.rows,))
    for start in range(0, facts.rows, 1 << 17):
        scores[start : start + (1 << 17)] = norms(facts, np.asarray(whole[start : start + (1 << 17)]))
    scores.flush()


def cut(table: Path, out: Path, rows: int, scores: str) -> dict[str, Any]:
    """One run of recprune."""
    uncached(table)
    command = [sys.executable, "-c", CUT, str(table), str(out), str(rows), scores, str(LIMIT)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**timed(command, environment), "read": 0.0, "write": 0.0}


def copied(table: Path, out: Path, size: int) -> dict[str, Any]:
    """Two runs of dd: the table is read, and as many bytes as are left of it are written."""
    uncached(table)
    first = timed(["dd", f"if={table}", "of=/dev/null", f"bs={PIECE}"], None)
    whole = ["dd", "if=/dev/zero", f"of={out}", f"bs={PIECE}", f"count={-(-size // PIECE)}", "conv=fsync"]
    then = timed(whole, None)
    parts = {"read": first["wall"], "write": then["wall"]}
    return {"wall": sum(parts.values()), "cpu": first["cpu"] + then["cpu"], "peak": 0, **parts}


def timed(command: Sequence[str], environment: dict[str, str] | None) -> dict[str, Any]:
    """Wall and CPU seconds of a process, and what it says as JSON, its largest resident memory for one."""
    begin, place = time.perf_counter(), os.pipe()
    child = subprocess.Popen(command, env=environment, stdout=place[1], stderr=subprocess.DEVNULL)
    os.close(place[1])
    with os.fdopen(place[0]) as said:
        text = said.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command[0]} ended with {child.returncode}")
    wall, cpu = time.perf_counter() - begin, used.ru_utime + used.ru_stime
    return {"wall": wall, "cpu": cpu, **(json.loads(text) if text else {})}


def uncached(table: Path) -> None:
    """The table leaves the cache of the system."""
    with table.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def told(check: bool, sums: set[str], table: Path, rows: int) -> str:
    """Whether all runs wrote the same bytes, and the same as a cut in memory. Raises AssertionError where not."""
    assert len(sums) == 1, f"runs wrote different files: {sums}"
    if not check:
        return "All runs wrote the same bytes"
    assert sums == {in_memory(table, rows)}, "a cut in memory gives other bytes"
    return "All runs wrote the same bytes, and so did a cut by a stable sort of all scores"


def in_memory(table: Path, rows: int) -> str:
    """sha256 of the file that a stable sort of all scores and a memory map make."""
    facts = read_table(table)
    whole = np.memmap(table, dtype=np.float32, mode="r", offset=facts.begin, shape=(facts.rows, facts.columns))
    scores = np.load(table.with_suffix(".scores.npy"))[1:]
    order = np.argsort(scores, kind="stable")[len(scores) - (rows - 1) :]
    kept = np.r_[0, np.sort(order) + 1].astype(np.int64)
    shapes = {
        f"{facts.name}.rows": ("I64", (rows,), rows * 8),
        facts.name: (facts.dtype, (rows, facts.columns), rows * facts.row_bytes),
    }
    digest = hashlib.sha256(header(shapes) + kept.tobytes())
    for start in range(0, rows, 1 << 17):
        digest.update(np.ascontiguousarray(whole[kept[start : start + (1 << 17)]]).data)
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
