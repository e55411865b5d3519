"""Rows of tables: fields and ids are units that take them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
from torch import Tensor

from recprune.tracing.places import Places
from recprune.tracing.seen import Lookup, Seen
from recprune.tracing.site import Cut, Kind, Site
from recprune.tracing.step import Source
from recprune.tracing.tied import Tied

__all__ = ["Rows"]


class Rows:
    """Fields and ids: units that take rows of tables. numbered: ids that are only looked up in tables, and keep their
    numbers as forward goes by those too; known once `ids` has ended."""

    def __init__(self, seen: Seen, tensors: Mapping[str, Tensor], whole: dict[str, str]) -> None:
        self._seen, self._tensors, self._whole = seen, tensors, whole
        self.pointers: dict[str, str] = {}
        self.numbered: list[Site] = []
        self._ranges: dict[str, list[tuple[str, int, int]]] = defaultdict(list)  # column -> (table, start, rows)
        self._split, self._tied = _taken_apart(seen), Tied(seen)
        by_table: dict[str, list[Lookup]] = defaultdict(list)
        for lookup in seen.lookups:
            by_table[lookup.table].append(lookup)
        for table, lookups in by_table.items():
            self._table(table, lookups)

    def _table(self, table: str, lookups: list[Lookup]) -> None:
        others = self._tied.read(table)
        sources = {lookup.source for lookup in lookups}
        source = next(iter(sources))
        if None in sources or source is None:
            return self._stays(table, "rows are read by position")
        if others and (reason := self._tied.why_not(table)):
            return self._stays(table, f"rows are also read by {', '.join(sorted(others))}: {reason}")
        rows = self._tensors[table].shape[0]
        if all(s is not None and s.pointer is None for s in sources):
            for column in sorted({c for s in sources if s is not None for c in self._columns(s)}, key=self._place):
                self._ranges[column].append((table, 0, rows))
            return
        if len(sources) != 1 or source.pointer is None or others:
            return self._stays(table, "rows are shared by several inputs in several ways")
        fields = [f for f in self._seen.fields if f.pointer == source.pointer]
        starts = self._tensors[source.pointer].tolist()
        ends = [*starts[1:], rows]
        if len(fields) != len(starts) or any(b <= a for a, b in zip(starts, ends, strict=True)):
            return self._stays(table, "row offsets do not rise field by field")
        self.pointers[source.pointer] = table
        for f, a, b in zip(fields, starts, ends, strict=True):
            self._ranges[f.column].append((table, a, b - a))

    def _stays(self, table: str, because: str) -> None:
        """All rows of a table stay, and what meets them."""
        self._seen.ledger.freeze(self._seen.axes[table].labels[0], because)
        self._whole[f"{table}:0"] = because

    def _columns(self, source: Source) -> tuple[str, ...]:
        """The input columns of a look-up: those of a matrix by themselves where each has tables of its own."""
        if source.part is None or source.columns[0] not in self._split:
            return source.columns
        return tuple(f"{source.columns[0]}.{j}" for j in range(*source.part))

    def _place(self, column: str) -> tuple[int, int]:
        """Order of inputs, then of columns in a matrix."""
        named, (head, _, tail) = self._seen.columns, column.rpartition(".")
        return (named.index(column), 0) if column in named else (named.index(head), int(tail))

    def ids(self) -> Iterator[Site]:
        """One site a column, or for all columns that share rows: rows 1 and up; row 0 answers for what left."""
        for columns in self._together():
            ranges = list(dict.fromkeys(r for column in columns for r in self._ranges[column]))
            sizes, first = {rows for _, _, rows in ranges}, columns[0]
            if len(sizes) != 1:
                self._whole.update({f"{t}:0": f"tables of {first!r} differ in rows" for t, _, _ in ranges})
            elif sizes != {1}:
                cuts = tuple(Cut(table, 0, start + 1) for table, start, _ in ranges)
                name = "+".join(columns) if len(columns) < 4 else f"{first}+{len(columns) - 1}"
                site = Site(f"{name}.id", Kind.ID, sizes.pop() - 1, cuts, first, ranges[0][1], also=tuple(columns[1:]))
                reason = self._fixed(columns)
                if reason is not None and not any(self._tied.read(table) for table, _, _ in ranges):
                    self.numbered.append(site)
                found = self._tied.whole(site) if reason is None else reason
                if isinstance(found, Site):
                    yield found
                else:
                    for table, _, _ in ranges:
                        self._stays(table, found)

    def _fixed(self, columns: list[str]) -> str | None:
        """Why the ids of these columns, which leave together, keep their numbers; None where they need not."""
        for column, reason in self._seen.fixed.items():
            if any(_same(column, own) for own in columns):
                return reason
        for pair in self._seen.compared:
            inside = [any(_same(column, own) for own in columns) for side in pair for column in side]
            if any(inside) and not all(inside):
                other = next(c for side in pair for c in side if not any(_same(c, own) for own in columns))
                return f"its ids are compared with those of {other!r}, which is looked up in other rows"
        return None

    def _together(self) -> list[list[str]]:
        """Columns that are looked up in the same rows, directly or by way of others."""
        groups: list[list[str]] = []
        for column in self._ranges:
            near = [g for g in groups if any(set(self._ranges[c]) & set(self._ranges[column]) for c in g)]
            groups = [g for g in groups if g not in near] + [[c for g in near for c in g] + [column]]
        order = {column: i for i, column in enumerate(self._ranges)}
        return sorted((sorted(g, key=order.__getitem__) for g in groups), key=lambda g: order[g[0]])

    def fields(self, places: Places, averaged: Places) -> Iterator[Site]:
        """One site a field, of one unit: its rows, its offset, and what its embedding meets; of a column of numbers,
        what meets it."""
        ledger = self._seen.ledger
        for f in self._seen.fields:
            node = ledger.find(f.node)
            ranges = [r for r in self._ranges.get(f.column, ()) if f.pointer in self.pointers]
            number = self._tensors[f.pointer].is_floating_point()
            reason = ledger.reason(f.node) or (None if ranges or number else "its rows are not its own")
            if reason is not None or ledger.resolve(f.node) != {node}:
                self._whole[f"{f.column}.field"] = reason or "it leaves only together with others"
                continue
            cuts = [Cut(table, 0, start, rows) for table, start, rows in ranges] + list(places.loose(np.array([node])))
            means = tuple(averaged.loose(np.array([node])))
            yield Site(f"{f.column}.field", Kind.FIELD, 1, tuple(cuts), f.column, averaged=means)


def _same(one: str, other: str) -> bool:
    """Whether two names mean a column of the inputs, or a matrix and a column of it."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _taken_apart(seen: Seen) -> set[str]:
    """Inputs that are matrices of unlike columns: parts that do not overlap are looked up in tables of their own."""
    tables: dict[str, dict[tuple[int, int] | None, set[str]]] = defaultdict(lambda: defaultdict(set))
    for lookup in seen.lookups:
        if lookup.source is not None and lookup.source.dim is None:
            tables[lookup.source.columns[0]][lookup.source.part].add(lookup.table)
    out = set()
    for column, parts in tables.items():
        ranges = sorted(p for p in parts if p is not None)
        apart = None not in parts and all(a[1] <= b[0] for a, b in pairwise(ranges))
        if apart and len({frozenset(t) for t in parts.values()}) > 1:
            out.add(column)
    return out
