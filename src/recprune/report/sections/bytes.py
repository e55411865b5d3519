"""Where the bytes were and are: by layer, by tensor, by file."""

from __future__ import annotations

from collections.abc import Sequence

from recprune.planning.account import Row
from recprune.planning.plan import Plan
from recprune.report.blocks import Bar, Bars, Block, Cell, Section, Table, Value
from recprune.report.found import Found
from recprune.report.lacking import no_plan

__all__ = ["bytes_"]
PLACE = 5
MOST = 14
"""Layers that have a bar of their own."""


def bytes_(found: Found) -> Section:
    """Bars of layers, a table of tensors, and one of the files in the two folders."""
    blocks: tuple[Block, ...] = (_files(found),)
    if found.plan is None:
        return Section("bytes", "Where the bytes are", (no_plan(found, "Bytes by layer"), *blocks))
    rows = found.plan.account().rows
    bars = Bars("Bytes by table and layer: before (upper bar) and after (lower)", _bars(rows))
    return Section("bytes", "Where the bytes are", (bars, _tensors(found.plan, rows), *blocks))


def _bars(rows: Sequence[Row]) -> tuple[Bar, ...]:
    """The layers with most bytes before, and all others as one."""
    sums: dict[str, tuple[int, int]] = {}
    for row in rows:
        layer = row.tensor.rpartition(".")[0] or row.tensor
        before, after = sums.get(layer, (0, 0))
        sums[layer] = (before + row.bytes_before, after + row.bytes_after)
    largest = sorted(sums.items(), key=lambda one: -one[1][0])
    shown, rest = largest[:MOST], largest[MOST:]
    if rest:
        both = (sum(b for _, (b, _) in rest), sum(a for _, (_, a) in rest))
        shown.append((f"{len(rest)} further layers", both))
    return tuple(Bar(name, Value(before, "bytes"), Value(after, "bytes")) for name, (before, after) in shown)


def _tensors(plan: Plan, rows: Sequence[Row]) -> Table:
    made: list[tuple[Cell, ...]] = [
        (
            row.tensor,
            " × ".join(map(str, row.before)),
            " × ".join(map(str, row.after)),
            Value(row.entries_after, "count"),
            plan.encodings.get(row.tensor, "as it was"),
            Value(row.bytes_before, "bytes"),
            Value(row.bytes_after, "bytes"),
        )
        for row in rows
    ]
    columns = ("tensor", "shape before", "shape after", "entries", "stored", "bytes before", "bytes after")
    return Table(f"Every tensor ({len(made)})", columns, tuple(made), folded=True)


def _files(found: Found) -> Table:
    """What the folders take on disk."""
    sizes = [found.said[side]["bytes_of"] for side in ("big", "small")]
    rows: list[tuple[Cell, ...]] = [
        (name, *(Value(size[name], "bytes") for size in sizes)) for name in sizes[0] if any(s[name] for s in sizes)
    ]
    rows.append(("all", *(Value(sum(size.values()), "bytes") for size in sizes)))
    return Table("The two folders on disk", ("", "before", "after"), tuple(rows), strong=(len(rows) - 1,))
