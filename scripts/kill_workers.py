"""Kill workers of Ray while a log is prepared, shards of a table are cut and models are swept, many times.
Is the result the same?

    python scripts/kill_workers.py --kills 20

In every run one worker that is busy in a stage is killed (SIGKILL) at a random moment, if one is found before the stage
is over; there are runs until so many have died, ten times as many at most. What comes out has to be, byte for byte,
that of a run in which nobody dies (but the milliseconds of a sweep). Prints one line a stage, and ends with 1 where a
result differs. The moments are drawn by --seed. --result writes benchmarks/results/kill_workers.json
(scripts/run_state.py).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import torch
from run_state import keep_result
from safetensors.torch import save_file

from recprune.data.store import save_split
from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.recipe.prepare import SplitBy
from recprune.recipe.shelf import Shelved, put
from recprune.scale import Scale, prepare_large
from recprune.scale.compact import compact_shards
from recprune.scale.engines.ray import Ray
from recprune.scale.sweep import sweep
from recprune.testing.data import tiny_split
from recprune.training.options import FitOptions

PREPARE = ("scatter", "settle", "merge", "located", "core-0000", "seen", "renumber", "ranked", "numbered", "gathered")
COMPACT = ("score", "tallied", "equal", "cut")
STAGES = (*PREPARE, *COMPACT, "sweep")

Result = dict[str, bytes]


class Killing(Ray):
    """Kills one busy worker at a random moment of one stage."""

    stage: ClassVar[str] = ""
    moments: ClassVar[random.Random] = random.Random(0)
    killed: ClassVar[int] = 0

    def map(self, function: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
        """As Ray's, and in the stage that is meant somebody dies."""
        where = getattr(function, "args", [None])[0]
        name = where.name if isinstance(where, Path) else getattr(function, "func", function).__name__.lstrip("_")
        with self._hunted(name, "ray::_called", 0.05, 0.0):  # what a worker is called while it works for us
            yield from super().map(function, numbers)

    def trials(self, function: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
        """As Ray's, and somebody dies: while it starts, or in one of its trials."""
        with self._hunted("sweep", "ray::ImplicitFunc", 0.0, 3.0):
            yield from super().trials(function, numbers)

    @contextmanager
    def _hunted(self, name: str, called: str, before: float, after: float) -> Iterator[None]:
        over = threading.Event()
        hunter = threading.Thread(target=self._hunt, args=(over, called, before, after))
        if name == self.stage:
            hunter.start()
        try:
            yield
        finally:
            over.set()
            if hunter.is_alive():
                hunter.join()

    def _hunt(self, over: threading.Event, called: str, before: float, after: float) -> None:
        """before, after: seconds at most until one is looked for, and from then on until it is killed."""
        import psutil

        time.sleep(self.moments.random() * before)
        while not over.is_set():
            for process in psutil.Process().children(recursive=True):
                try:
                    if process.cmdline()[0].startswith(called):
                        over.wait(self.moments.random() * after)
                        process.kill()
                        type(self).killed += 1
                        return
                except (psutil.Error, IndexError):
                    continue
            time.sleep(0.001)


def main(arguments: Sequence[str]) -> int:
    """The command."""
    options = parsed(arguments)
    Killing.moments = random.Random(options.seed)
    rows, wanted = list[list[Any]](), dict[Callable[..., Result], Result]()
    with tempfile.TemporaryDirectory(prefix="recprune-kill-") as temporary, Ray(2):
        folder = Path(temporary)
        for stage in options.stages:
            work = prepared if stage in PREPARE else compacted if stage in COMPACT else swept
            if work not in wanted:
                given(work, folder, options.rows)
                wanted[work] = work(folder, f"{work.__name__}-wanted", Scale("local", 1, 1 << 19))
            Killing.stage, Killing.killed, same, runs = stage, 0, 0, 0
            while Killing.killed < options.kills and runs < 10 * options.kills:
                same += (
                    work(folder, f"{work.__name__}-found-{runs}", Scale(f"{__name__}:Killing", 2, 1 << 19))
                    == wanted[work]
                )
                runs += 1
            rows.append([stage, runs, Killing.killed, runs - same])
            print(told(rows[-1]), file=sys.stderr, flush=True)
    print("\n".join(told(row) for row in rows))
    if options.result:
        kept(rows, options)
    return int(any(row[-1] for row in rows))


def told(row: Sequence[Any]) -> str:
    """A line a stage."""
    stage, runs, killed, other = row
    return f"{stage:12} {runs} runs, {killed} workers killed, {runs - other} the same"


def kept(rows: Sequence[Sequence[Any]], options: argparse.Namespace) -> None:
    """Write benchmarks/results/kill_workers.json."""
    keep_result(
        "kill_workers",
        "Workers of Ray killed in each stage: runs that ended with another result",
        ("stage", "runs", "workers killed", "another result"),
        rows,
        ["Two workers; a run kills one at most, at a random moment while it is busy in the stage, if it is found"],
        seed=options.seed,
        script="kill_workers.py",
        words=f"--kills {options.kills}",
    )


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="workers that die in each stage")
    parser.add_argument("--rows", type=int, default=4000, help="rows of the log; a hundred times as many of the table")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES)
    parser.add_argument("--result", action="store_true", help="write benchmarks/results/kill_workers.json")
    return parser.parse_args(arguments)


def given(work: Callable[..., Result], folder: Path, rows: int) -> None:
    """Write what the work begins with: a log with users of few and of many rows, a table in shards, or a model."""
    if work is prepared:
        rng = np.random.default_rng(0)
        users, items = (rng.gamma(1, mean, rows).astype(int) for mean in (60, 40))
        frame = {"user": users, "item": items, "timestamp": rng.integers(0, 10_000, rows)}
        pl.DataFrame(frame).write_csv(folder / "log.csv")
    elif work is compacted:
        (folder / "shards").mkdir()
        table = torch.randn(100 * rows, 16, generator=torch.Generator().manual_seed(0))
        for number, part in enumerate(table.tensor_split(6)):
            save_file({"item.weight": part.clone()}, folder / "shards" / f"{number}.safetensors")
    else:
        split = tiny_split()
        save_split(split, folder / "data")
        model = build("mf", split, dim=8, seed=1)
        put(folder / "mf", Shelved(folder / "mf", model, split.vocabularies, None, (), folder / "data"))


def prepared(folder: Path, name: str, scale: Scale) -> Result:
    """The files of a prepared folder."""
    prepare_large(folder / "log.csv", folder / name, cleaning={"k_core": 4}, by=SplitBy("random"), scale=scale)
    return {path.name: path.read_bytes() for path in (folder / name).iterdir()}


def compacted(folder: Path, name: str, scale: Scale) -> Result:
    """The files of a table that was cut to a third."""
    shards = sorted((folder / "shards").iterdir())
    compact_shards(shards, folder / name, 10_000, scale=scale)
    return {path.name: path.read_bytes() for path in (folder / name).iterdir()}


def swept(folder: Path, name: str, scale: Scale) -> Result:
    """The weights of every trial, and the table without its milliseconds."""
    budgets, quick = [Budget(0.5), Budget(0.7)], FitOptions(epochs=1, batch=64)
    found = sweep([folder / "mf"], folder / name, budgets=budgets, seeds=(0, 1), options=quick, scale=scale)
    said = json.loads(found.to_json())
    for row in said["rows"]:
        row["point"].pop("request")
    weights = {str(path.relative_to(folder / name)): path for path in (folder / name).rglob("weights*")}
    return {"table": json.dumps(said).encode()} | {place: path.read_bytes() for place, path in weights.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
