"""Kill workers of Ray while a log is prepared, in each stage, many times: is the result the same?

    python scripts/kill_workers.py --kills 20

In every run one worker that is busy in a stage is killed (SIGKILL) at a random moment, if one is found before the stage
is over; there are runs until so many have died, ten times as many at most. The folder that
comes out has to be, byte for byte, the one of a run in which nobody dies. Prints one line a stage, and ends with 1
where a result differs. The moments are drawn by --seed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from recprune.recipe.prepare import SplitBy
from recprune.scale import Scale, prepare_large
from recprune.scale.engines.ray import Ray

STAGES = ("scatter", "settle", "merge", "located", "core-0000", "seen", "renumber", "ranked", "numbered", "gathered")


class Killing(Ray):
    """Kills one busy worker at a random moment of one stage."""

    stage: ClassVar[str] = ""
    moments: ClassVar[random.Random] = random.Random(0)
    killed: ClassVar[int] = 0

    def map(self, function: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
        """As Ray's, and in the stage that is meant somebody dies."""
        where = getattr(function, "args", [None])[0]
        over = threading.Event()
        hunter = threading.Thread(target=self._hunt, args=(over,))
        if isinstance(where, Path) and where.name == self.stage:
            hunter.start()
        try:
            yield from super().map(function, numbers)
        finally:
            over.set()
            if hunter.is_alive():
                hunter.join()

    def _hunt(self, over: threading.Event) -> None:
        import psutil

        time.sleep(self.moments.random() * 0.05)
        while not over.is_set():
            for process in psutil.Process().children(recursive=True):
                try:
                    if process.cmdline()[:1] == ["ray::_called"]:  # a worker is called so while it works for us
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
    different, said = 0, list[str]()
    with tempfile.TemporaryDirectory(prefix="recprune-kill-") as temporary, Ray(2):
        folder = Path(temporary)
        write_log(folder / "log.csv", options.rows)
        wanted = prepared(folder, "wanted", "local", 1)
        for stage in options.stages:
            Killing.stage, Killing.killed, same, runs = stage, 0, 0, 0
            while Killing.killed < options.kills and runs < 10 * options.kills:
                same += prepared(folder, "found", f"{__name__}:Killing", 2) == wanted
                runs += 1
            different += runs - same
            said.append(f"{stage:12} {runs} runs, {Killing.killed} workers killed, {same} the same")
            print(said[-1], file=sys.stderr, flush=True)
    print("\n".join(said))
    return int(different > 0)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="workers that die in each stage")
    parser.add_argument("--rows", type=int, default=4000, help="rows of the log")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES)
    return parser.parse_args(arguments)


def write_log(path: Path, rows: int) -> None:
    """A log with users of few and of many rows."""
    rng = np.random.default_rng(0)
    users, items = (rng.gamma(1, mean, rows).astype(int) for mean in (60, 40))
    frame = {"user": users, "item": items, "timestamp": rng.integers(0, 10_000, rows)}
    pl.DataFrame(frame).write_csv(path)


def prepared(folder: Path, name: str, engine: str, workers: int) -> dict[str, bytes]:
    """The files of a prepared folder."""
    scale = Scale(engine, workers, 1 << 19)
    prepare_large(folder / "log.csv", folder / name, cleaning={"k_core": 4}, by=SplitBy("random"), scale=scale)
    return {path.name: path.read_bytes() for path in (folder / name).iterdir()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
