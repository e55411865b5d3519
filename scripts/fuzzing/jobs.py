"""Cases in processes of their own: the same cases, and the same findings in the same order, however many there are."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import wait
from pathlib import Path

from fuzzing.judge import Place, judged, limited, opened, written
from fuzzing.mutations import MUTATIONS, numbers_changed
from fuzzing.originals import Files, Original

__all__ = ["BLOCK", "Asked", "Found", "found"]

BLOCK = 50
"""Cases that a process is given at a time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """seed: of the cases. home: where they stand. keep: where those go that something else came of."""

    seed: int
    home: Path
    keep: Path | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What came of some cases. odd: a line on each of what should not have been."""

    counts: Counter[str] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)


def found(whole: Sequence[Original], asked: Asked, cases: range, jobs: int) -> Iterator[Found]:
    """What came of each block of the cases, in their order. Raises BrokenProcessPool where a process died of one."""
    blocks = (range(first, min(first + BLOCK, cases.stop)) for first in range(cases.start, cases.stop, BLOCK))
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, fork, _begin, (whole, asked)) as pool:
        waiting = deque(pool.submit(_judge, one) for one in islice(blocks, 2 * jobs))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(_judge, one) for one in islice(blocks, 1))
        finally:
            pool.shutdown(cancel_futures=True)


HERE: tuple[Asked, list[Place]]
"""Of a process that judges: what it was asked, and its folders."""


def _begin(whole: Sequence[Original], asked: Asked) -> None:
    """Folders of its own, bounds of its own; ended by the first process and with it, by nothing else."""
    global HERE
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    home = Path(tempfile.mkdtemp(dir=asked.home))
    HERE = asked, [Place(original, home / str(number)) for number, original in enumerate(whole)]
    for place in HERE[1]:
        place.folder.mkdir()
        written(place, place.original.files)
        opened(place, asked=True)  # without a bound of time: what is imported by it may have to be compiled first
    gc.freeze()  # what was imported is not looked through again and again
    limited()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _judge(cases: range) -> Found:
    """Each is drawn from the seed and its number alone."""
    asked, places = HERE
    out = Found()
    for number in cases:
        draw = random.Random(asked.seed * 1_000_000_007 + number)
        place, how = draw.choice(places), draw.choice(MUTATIONS)
        files = how(draw, place.original.files)
        written(place, files)
        said = judged(place, asked=how is numbers_changed)
        if said in ("loaded", "refused"):
            out.counts[said] += 1
            continue
        out.odd.append(f"case {number} ({how.__name__}): {said}")
        if asked.keep is not None:
            _kept(asked.keep / str(number), files)
    return out


def _kept(folder: Path, files: Files) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
