"""Runs that take hours: what was done so far is kept in a file, and what came of it becomes a result.

Each case is drawn from the seed and its number alone, so that a run that was ended, by whatever, goes on where it was
last kept and comes to the same end as one that was not. What another commit or other options did does not count.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recprune.atomic import write_bytes

__all__ = ["State", "keep_result"]

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

EVERY = 20.0
"""Seconds after which it is kept again."""


@dataclass
class State:
    """done: cases that are behind; counts: of what came of them; odd: what should not have been; seconds: it took.
    options: what decides which cases there are; commit: of the program."""

    options: dict[str, Any]
    commit: str
    counts: dict[str, int]
    done: int = 0
    odd: list[str] = field(default_factory=list)
    seconds: float = 0.0
    path: Path | None = None

    @classmethod
    def read(cls, path: Path | None, options: dict[str, Any], counts: dict[str, int]) -> State:
        """What was kept there, or a fresh one. Ends the program where it is of other options or another commit."""
        fresh = cls(options, commit_of() if path else "", counts, path=path)
        if path is None or not path.exists():
            return fresh
        kept = cls(**json.loads(path.read_text(encoding="utf-8")), path=path)
        if (kept.options, kept.commit) != (fresh.options, fresh.commit):
            sys.exit(
                f"{path} is of {kept.options} at {kept.commit}, not of {options} at {fresh.commit}: remove it first"
            )
        return kept

    def left(self, cases: int, step: int = 1) -> Iterator[int]:
        """Numbers of the cases that are not done yet, the first of every `step`; SIGTERM and Ctrl-C end them after
        those that are being done."""
        ended, begin, before = list[int](), time.monotonic(), self.seconds
        if self.path is not None:
            for one in (signal.SIGTERM, signal.SIGINT):
                signal.signal(one, lambda number, _: ended.append(number))
        kept = begin
        for number in range(self.done, cases, step):
            yield number
            self.done, now = min(number + step, cases), time.monotonic()
            self.seconds = before + now - begin
            if ended or now - kept > EVERY:
                self.keep()
                kept = now
            if ended:
                sys.exit(128 + ended[0])
        self.keep()

    def keep(self) -> None:
        """Bring it to the disk, whole or not at all."""
        if self.path is not None:
            content = {name: value for name, value in asdict(self).items() if name != "path"}
            write_bytes(self.path, json.dumps(content, indent=1).encode())


def commit_of() -> str:
    """The commit that is run, with a + where files differ from it."""
    from benchmarks.result import commit

    return commit()


def keep_result(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    notes: Sequence[str],
    *,
    seed: int,
    script: str,
    words: str,
) -> None:
    """Write benchmarks/results/NAME.json, of what was really run."""
    from benchmarks.result import write_result

    command = f"python scripts/{script} {words} --result"
    write_result(name, title, columns, rows, notes=notes, data=["made by the script"], seeds=[seed], command=command)
