"""Time and memory of `recprune prepare` on a large log, beside the same job in polars and in DuckDB.

`python -m benchmarks.prepare_scale [--rows 30000000] [--cache FOLDER]` writes results/prepare_scale.json. The job: read
a log, drop rows without sense, keep the latest of each pair of user and item, 5-core to a fixpoint, encode, split by
time (10 % validation, 20 % test), write it all down. Each tool runs in a process of its own, one after the other; peak
memory is what the system says of that process when it ends, imports included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("recprune", "polars", "duckdb")
COLUMNS = ("input", "tool", "wall s", "CPU s", "peak GB", "rows kept", "users", "items", "test rows")


def main(arguments: Sequence[str]) -> int:
    """Make the log where it is not there yet, run every tool on every format, write the result."""
    options = parsed(arguments)
    if options.child:
        return child(*options.child)
    measured = commit()
    with tempfile.TemporaryDirectory(prefix="recprune-scale-") as temporary:
        cache = options.cache or Path(temporary)
        files = run(["make", str(cache), str(options.rows), str(options.seed)], Path(temporary))["counts"]
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for _ in range(options.repeats):
            for kind in options.formats:
                for tool in options.tools:
                    with tempfile.TemporaryDirectory(dir=temporary) as out:
                        found.setdefault((kind, tool), []).append(run([tool, files[kind], out], Path(temporary)))
                    print(kind, tool, found[kind, tool][-1], file=sys.stderr, flush=True)
    result = told(options, found, measured)
    options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=30_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=1, help="runs of each tool; the fastest one counts")
    parser.add_argument("--cache", type=Path, help="where the log stays for the next time; default: it does not stay")
    parser.add_argument("--formats", nargs="+", default=["parquet", "csv.gz"], choices=["parquet", "csv.gz"])
    parser.add_argument("--tools", nargs="+", default=list(TOOLS), choices=TOOLS)
    parser.add_argument("--result", type=Path, default=ROOT / "benchmarks" / "results" / "prepare_scale.json")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def run(task: Sequence[str], folder: Path) -> dict[str, Any]:
    """A task in a process of its own: seconds, gigabytes, and what it counted."""
    said = folder / "said.json"
    if task[0] == "recprune":
        command = ["-m", "recprune", "prepare", task[1], "--out", f"{task[2]}/prepared", "--split", "time", "--json"]
        command += ["--k-core", "5", "--user", "user", "--item", "item", "--rating", "rating", "--time", "time"]
    else:
        command = ["-m", "benchmarks.prepare_scale", "--child", *task]
    begin = time.perf_counter()
    with said.open("wb") as out:
        process = subprocess.Popen([sys.executable, *command], stdout=out, cwd=ROOT)
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    if status:
        raise RuntimeError(f"{' '.join(task)} ended with status {os.waitstatus_to_exitcode(status)}")
    return {
        "wall": round(wall, 1),
        "cpu": round(used.ru_utime + used.ru_stime, 1),
        "peak": round(used.ru_maxrss * 1024 / 1e9, 2),
        "counts": counted(json.loads(said.read_text(encoding="utf-8"))),
    }


def counted(said: dict[str, Any]) -> dict[str, Any]:
    """What a task says about its result; of recprune the same four numbers."""
    if "ids" not in said:
        return said
    rows = said["rows"]
    return {
        "rows": sum(rows.values()),
        "users": said["ids"]["user"],
        "items": said["ids"]["item"],
        "test": rows["test"],
    }


def child(task: str, *rest: str) -> int:
    """Inside the process: make the log, or do the job as a peer; prints its counts."""
    if task == "make":
        from benchmarks.scale_log import make

        said: dict[str, Any] = {k: str(v) for k, v in make(Path(rest[0]), int(rest[1]), int(rest[2])).items()}
    else:
        from benchmarks.scale_peers import PEERS

        said = PEERS[task](Path(rest[0]), Path(rest[1]))
    print(json.dumps(said))
    return 0


def told(
    options: argparse.Namespace, found: dict[tuple[str, str], list[dict[str, Any]]], measured: str
) -> dict[str, Any]:
    """The result, once all tools agree on what stays."""
    best = {key: min(runs, key=lambda one: one["wall"]) for key, runs in found.items()}
    counts = [one["counts"] for one in best.values()]
    if any(one != counts[0] for one in counts):
        raise RuntimeError(f"the tools do not agree: {best}")
    once = "one run each, so that a few per cent of wall time say nothing"
    runs = once if options.repeats == 1 else f"the fastest of {options.repeats} runs"
    return {
        "title": f"Preparing a log of {options.rows:,} rows",
        "command": f"python -m benchmarks.prepare_scale --rows {options.rows} --repeats {options.repeats}",
        "columns": list(COLUMNS),
        "rows": [
            [kind, tool, one["wall"], one["cpu"], one["peak"], *one["counts"].values()]
            for (kind, tool), one in best.items()
        ],
        "notes": [
            "Read, clean, latest of each pair, 5-core to a fixpoint, encode, split by time, write; "
            f"{runs}; a process each, one after the other; peak is the resident memory of the process",
            "recprune also counts what it rejects, looks for leaks and writes checksums; the others do not",
        ],
        "commit": measured,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, {versions()}",
        "threads": os.cpu_count(),
        "seeds": [options.seed],
        "data": f"made by benchmarks/scale_log.py, {options.rows:,} rows",
    }


def commit() -> str:
    """The commit that was measured."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def versions() -> str:
    """Of Python and of the peers."""
    from importlib.metadata import version

    return f"Python {platform.python_version()}, polars {version('polars')}, duckdb {version('duckdb')}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
