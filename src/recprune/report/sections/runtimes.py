"""Ways to run the models, timed in turn where `recprune bench` has recorded them."""

from __future__ import annotations

from collections.abc import Iterator

from recprune.artifact.speeds import Speeds
from recprune.report.blocks import Block, Cell, Missing, Section, Table, Value
from recprune.report.found import Found

__all__ = ["runtimes"]
PLACE = 3


def runtimes(found: Found) -> Section:
    """A table of each model whose runtimes were timed."""
    small, big = found.places.small, found.places.big
    blocks: tuple[Block, ...] = (
        *_of("The smaller model", found.small.speeds, found.command("bench", small)),
        *_of("The larger model", found.whole.speeds, found.command("bench", big)),
    )
    return Section("runtimes", "Ways to run it", blocks)


def _of(name: str, speeds: Speeds | None, how: str) -> Iterator[Block]:
    if speeds is None:
        yield Missing(f"{name} in every runtime", "its runtimes were not timed", how)
        return
    rows: list[tuple[Cell, ...]] = []
    strong = []
    for size, took in speeds.took.items():
        for runtime, one in took.items():
            used = speeds.use[size] == runtime
            strong += [len(rows)] if used else []
            times = Value(took["eager"].median / one.median if "eager" in took and one.median else None, "times")
            rows.append((f"{size:,}", runtime, Value(one.median, "ms", one.low, one.high), times, "✓" if used else ""))
    columns = ("rows of a call", "runtime", "milliseconds", "as fast as eager", "use")
    yield Table(f"{name}, on {speeds.machine}; one thread", columns, tuple(rows), strong=tuple(strong))
