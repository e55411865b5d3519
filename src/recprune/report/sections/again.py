"""To make it again: seeds, checksums, trainings and commands."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from typing import Any

from recprune.data.store import manifest_of
from recprune.report.blocks import Block, Cell, Code, Section, Table, Value, Words
from recprune.report.commands import commands, exact
from recprune.report.found import Found
from recprune.report.lacking import no_data

__all__ = ["again"]
PLACE = 11


def again(found: Found) -> Section:
    """What somebody else needs to check all of this."""
    blocks: tuple[Block, ...] = (_facts(found), _trainings(found), *_commands(found), _files(found), *_data(found))
    return Section("again", "Make it again", blocks)


def _facts(found: Found) -> Table:
    comparison = found.comparison
    rows: list[tuple[Cell, ...]] = [
        ("recprune that wrote the models", f"{found.said['big']['version']}, {found.said['small']['version']}"),
        ("seed of the larger model", _seed(found, "big")),
        ("seed of the smaller model", _seed(found, "small")),
        ("this report was made on", f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"),
    ]
    if comparison is not None:
        seeds = ", ".join(map(str, comparison.seeds)) or str(comparison.seed)
        rows.insert(3, ("seed of the comparison", f"{seeds}; {comparison.bootstrap:,} bootstrap replicates"))
    return Table("Seeds and versions", ("", ""), tuple(rows))


def _seed(found: Found, side: str) -> str:
    return str(found.said[side]["seeds"].get("seed", "not said"))


def _trainings(found: Found) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for shelved, model in ((found.whole, "larger"), (found.small, "smaller")):
        first = 0 if shelved is found.whole else len(found.whole.works)
        for work in shelved.works[first:]:
            how = ", ".join(f"{name} {value}" for name, value in work.options.items() if value is not None)
            epochs = f"{work.epochs}, the best was {work.best_epoch}"
            rows.append((model, work.what, epochs, Value(work.seconds, "seconds"), work.metric or "nothing", how))
    columns = ("model", "what for", "epochs", "took", "judged by", "options")
    return Table("Trainings", columns, tuple(rows), folded=True)


def _commands(found: Found) -> Iterator[Block]:
    told = "These commands make both models again, bit for bit on the same machine with as many threads."
    if not exact(found):
        told = (
            "These commands come near: the smaller model was made in more steps than its folder tells apart (bits, a "
            "schedule, a teacher or a loss that was allowed), by `recprune run`."
        )
    yield Words(told)
    yield Code(commands(found))


def _files(found: Found) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for side, folder in (("big", found.places.big), ("small", found.places.small)):
        for name, facts in found.said[side]["files"].items():
            rows.append((f"{folder}/{name}", Value(facts["bytes"], "bytes"), facts["sha256"]))
    return Table("Checksums of the models", ("file", "size", "sha256"), tuple(rows), folded=True)


def _sources(sources: list[dict[str, Any]]) -> Table:
    """What the data was made of, where that was no file of one machine."""
    rows: list[tuple[Cell, ...]] = []
    for one in sources:
        where = str(one["source"])
        if "files" in one:
            rows += [(f"{where}: {name}", "", "", facts["sha256"]) for name, facts in one["files"].items()]
        else:
            rows.append((where, one["query"], f"{one['rows']:,}", one["sha256"]))
    return Table("What was read", ("source", "query", "rows", "sha256"), tuple(rows), folded=True)


def _data(found: Found) -> Iterator[Block]:
    if found.split is None or found.places.data is None:
        yield no_data(found, "Checksums of the data")
        return
    said = manifest_of(found.places.data)
    rows: list[tuple[Cell, ...]] = [
        (f"{found.places.data}/{name}", Value(facts["bytes"], "bytes"), facts["sha256"])
        for name, facts in said["files"].items()
    ]
    if sources := said.get("sources"):
        yield _sources(sources)
    parts = ", ".join(f"{count:,} {name}" for name, count in said["rows"].items())
    yield Table(f"Checksums of the data ({parts})", ("file", "size", "sha256"), tuple(rows), folded=True)
