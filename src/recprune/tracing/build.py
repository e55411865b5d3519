"""build: what a trace has shown becomes sites: plain data, named, with a cut for every tensor that gets shorter."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.tracing.ledger import Group, Labels
from recprune.tracing.site import FLAT, Cut, Kind, Site, Survey
from recprune.tracing.step import Source
from recprune.tracing.structures.embedding import LOOKUPS

if TYPE_CHECKING:
    from recprune.tracing.trace import Lookup, Trace

__all__ = ["build", "fingerprint", "named_tensors"]

Where = Mapping[int, NDArray[np.int64]]


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer once, by its first name."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def fingerprint(model: nn.Module) -> str:
    """A hash of the names, shapes and types of all tensors."""
    parts = [f"{n} {tuple(t.shape)} {t.dtype}" for n, t in sorted(named_tensors(model).items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def build(trace: Trace) -> Survey:
    """All sites of a trace, and the reason for every axis that stays whole."""
    tensors = named_tensors(trace.model)
    whole: dict[str, str] = {}
    tables = {lookup.table for lookup in trace.lookups}
    features = tables | _embeddings(trace.model)
    rows = _Rows(trace, tensors, whole)
    places = _positions(trace, tables)
    averaged = _averaged(trace)
    sites = [
        *rows.fields(places, averaged),
        *rows.ids(),
        *_units(trace, features, places, averaged, whole),
        *_entries(trace, tensors),
    ]
    _say_why(trace, tables, tensors, whole)
    return Survey(
        tuple(sites),
        {n: tuple(t.shape) for n, t in tensors.items()},
        {n: t.element_size() for n, t in tensors.items()},
        whole,
        fingerprint(trace.model),
        frozenset(features),
        frozenset(n for n, _ in trace.model.named_buffers()),
        rows.pointers,
    )


def _embeddings(model: nn.Module) -> set[str]:
    """Tables that hold one row an id, also where all rows are read at once."""
    kinds = (nn.Embedding, nn.EmbeddingBag)
    return {f"{n}.weight".lstrip(".") for n, m in model.named_modules() if isinstance(m, kinds)}


def _positions(trace: Trace, tables: set[str]) -> dict[tuple[str, int], Where]:
    """(tensor, axis) -> node -> the positions that leave with it. Rows of tables are no nodes."""
    found: dict[tuple[str, int], Where] = {}
    for tensor, axes in trace.axes.items():
        for dim, labels in enumerate(axes.labels):
            if tensor in tables and dim == 0:
                continue
            at = _where(trace, labels)
            if at:
                found[tensor, dim] = at
    return found


def _where(trace: Trace, labels: Labels) -> Where:
    """Node -> the positions of an axis that leave with it."""
    at: dict[int, list[int]] = defaultdict(list)
    cache = {int(x): trace.ledger.resolve(int(x)) for x in np.unique(labels)}
    for position, label in enumerate(labels.tolist()):
        for node in cache[label]:
            at[node].append(position)
    return {node: np.array(p, dtype=np.int64) for node, p in at.items()}


def _averaged(trace: Trace) -> dict[tuple[str, int], Where]:
    """("@operation#number", axis) -> node -> positions, where the operation averages over live units."""
    found = {key: _where(trace, labels) for key, labels in trace.averages.items()}
    return {key: at for key, at in found.items() if at}


class _Rows:
    """Fields and ids: units that take rows of tables."""

    def __init__(self, trace: Trace, tensors: Mapping[str, Tensor], whole: dict[str, str]) -> None:
        self._trace, self._tensors, self._whole = trace, tensors, whole
        self.pointers: dict[str, str] = {}
        self._ranges: dict[str, list[tuple[str, int, int]]] = defaultdict(list)  # column -> (table, start, rows)
        self._split = _taken_apart(trace)
        by_table: dict[str, list[Lookup]] = defaultdict(list)
        for lookup in trace.lookups:
            by_table[lookup.table].append(lookup)
        for table, lookups in by_table.items():
            self._table(table, lookups)

    def _table(self, table: str, lookups: list[Lookup]) -> None:
        others = self._trace.readers[table] - set(LOOKUPS)
        sources = {lookup.source for lookup in lookups}
        source = next(iter(sources))
        if others or None in sources or source is None:
            reason = f"rows are also read by {', '.join(sorted(others))}" if others else "rows are read by position"
            self._whole[f"{table}:0"] = reason
            return
        rows = self._tensors[table].shape[0]
        if all(s is not None and s.pointer is None for s in sources):
            for column in sorted({c for s in sources if s is not None for c in self._columns(s)}, key=self._place):
                self._ranges[column].append((table, 0, rows))
            return
        if len(sources) != 1 or source.pointer is None:
            self._whole[f"{table}:0"] = "rows are shared by several inputs in several ways"
            return
        fields = [f for f in self._trace.fields if f.pointer == source.pointer]
        starts = self._tensors[source.pointer].tolist()
        ends = [*starts[1:], rows]
        if len(fields) != len(starts) or any(b <= a for a, b in zip(starts, ends, strict=True)):
            self._whole[f"{table}:0"] = "row offsets do not rise field by field"
            return
        self.pointers[source.pointer] = table
        for f, a, b in zip(fields, starts, ends, strict=True):
            self._ranges[f.column].append((table, a, b - a))

    def _columns(self, source: Source) -> tuple[str, ...]:
        """The input columns of a look-up: those of a matrix by themselves where each has tables of its own."""
        if source.part is None or source.columns[0] not in self._split:
            return source.columns
        return tuple(f"{source.columns[0]}.{j}" for j in range(*source.part))

    def _place(self, column: str) -> tuple[int, int]:
        """Order of inputs, then of columns in a matrix."""
        named, (head, _, tail) = self._trace.columns, column.rpartition(".")
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
                also = tuple(columns[1:])
                yield Site(f"{name}.id", Kind.ID, sizes.pop() - 1, cuts, first, ranges[0][1], also=also)

    def _together(self) -> list[list[str]]:
        """Columns that are looked up in the same rows, directly or by way of others."""
        groups: list[list[str]] = []
        for column in self._ranges:
            near = [g for g in groups if any(set(self._ranges[c]) & set(self._ranges[column]) for c in g)]
            groups = [g for g in groups if g not in near] + [[c for g in near for c in g] + [column]]
        order = {column: i for i, column in enumerate(self._ranges)}
        return sorted((sorted(g, key=order.__getitem__) for g in groups), key=lambda g: order[g[0]])

    def fields(
        self, places: Mapping[tuple[str, int], Where], averaged: Mapping[tuple[str, int], Where]
    ) -> Iterator[Site]:
        """One site a field, of one unit: its rows, its offset, and what its embedding meets."""
        ledger = self._trace.ledger
        for f in self._trace.fields:
            node = ledger.find(f.node)
            ranges = [r for r in self._ranges.get(f.column, ()) if f.pointer in self.pointers]
            reason = ledger.reason(f.node) or (None if ranges else "its rows are not its own")
            if reason is not None or ledger.resolve(f.node) != {node}:
                self._whole[f"{f.column}.field"] = reason or "it leaves only together with others"
                continue
            cuts = [Cut(table, 0, start, rows) for table, start, rows in ranges] + _cuts_of(node, places)
            means = tuple(_cuts_of(node, averaged))
            yield Site(f"{f.column}.field", Kind.FIELD, 1, tuple(cuts), f.column, averaged=means)


def _taken_apart(trace: Trace) -> set[str]:
    """Inputs that are matrices of unlike columns: parts that do not overlap are looked up in tables of their own."""
    tables: dict[str, dict[tuple[int, int] | None, set[str]]] = defaultdict(lambda: defaultdict(set))
    for lookup in trace.lookups:
        if lookup.source is not None and lookup.source.dim is None:
            tables[lookup.source.columns[0]][lookup.source.part].add(lookup.table)
    out = set()
    for column, parts in tables.items():
        ranges = sorted(p for p in parts if p is not None)
        apart = None not in parts and all(a[1] <= b[0] for a, b in pairwise(ranges))
        if apart and len({frozenset(t) for t in parts.values()}) > 1:
            out.add(column)
    return out


def _cuts_of(node: int, places: Mapping[tuple[str, int], Where]) -> list[Cut]:
    found = [(t, d, run) for (t, d), at in places.items() if node in at for run in _runs(at[node])]
    return [Cut(tensor, dim, start, width) for tensor, dim, (start, width) in found]


def _units(
    trace: Trace,
    tables: set[str],
    places: Mapping[tuple[str, int], Where],
    averaged: Mapping[tuple[str, int], Where],
    whole: dict[str, str],
) -> Iterator[Site]:
    """Nodes that came in together and still live are one site, where they lie regularly."""
    fields = {trace.ledger.find(f.node) for f in trace.fields}
    alive = sorted({node for at in places.values() for node in at} - fields)
    taken: dict[str, int] = defaultdict(int)
    for group, nodes in _by_group(trace, alive):
        kind, name = _kind(trace, tables, places, group, nodes)
        for part in _segments(nodes):
            cuts, means = list(_cuts(part, places)), list(_cuts(part, averaged))
            if any(c is None for c in (*cuts, *means)):
                whole[name] = "its units do not lie regularly in every tensor"
                continue
            taken[name] += 1
            numbered = name if taken[name] == 1 else f"{name}.{taken[name]}"
            known = tuple(tuple(c for c in found if c is not None) for found in (cuts, means))
            yield Site(numbered, kind, len(part), known[0], averaged=known[1])


def _by_group(trace: Trace, alive: list[int]) -> Iterator[tuple[Group, list[int]]]:
    groups = sorted(trace.ledger.groups, key=lambda g: g.first)
    firsts = np.array([g.first for g in groups])
    owner = np.searchsorted(firsts, np.array(alive, dtype=np.int64), side="right") - 1
    found: dict[int, list[int]] = defaultdict(list)
    for node, number in zip(alive, owner.tolist(), strict=True):
        found[number].append(node)
    for number, nodes in found.items():
        yield groups[number], nodes


def _segments(nodes: list[int]) -> list[list[int]]:
    breaks = [i for i in range(1, len(nodes)) if nodes[i] != nodes[i - 1] + 1]
    return [nodes[a:b] for a, b in zip([0, *breaks], [*breaks, len(nodes)], strict=True)]


def _kind(
    trace: Trace, tables: set[str], places: Mapping[tuple[str, int], Where], group: Group, nodes: list[int]
) -> tuple[Kind, str]:
    """What the units are, and a name made of the tensors that bring them in."""
    met = [key for key, at in places.items() if nodes[0] in at]
    own = [t.removesuffix(".weight") for t, d in met if t in tables and d == 1]
    if group.kind == "head":
        return Kind.HEAD, group.name
    if own:
        return Kind.DIM, "+".join(own) + ".dim"
    tensor = met[0][0] if group.kind in ("made", "stretched") else group.name.rpartition(":")[0]
    convolved = any("aten.convolution.default" in trace.readers.get(t, ()) and d == 0 for t, d in met)
    kind = Kind.FILTER if convolved else Kind.NEURON
    return kind, f"{(tensor or group.name).removesuffix('.weight').removesuffix('.bias')}.{kind}"


def _runs(at: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Maximal runs (start, width) of ascending positions."""
    breaks = np.flatnonzero(np.diff(at) > 1) + 1
    return [(int(part[0]), len(part)) for part in np.split(at, breaks)]


def _cuts(nodes: list[int], places: Mapping[tuple[str, int], Where]) -> Iterator[Cut | None]:
    """Cuts for a site; None where its units do not lie at even distances."""
    for (tensor, dim), at in places.items():
        held = [at[node] for node in nodes if node in at]
        if not held:
            continue
        if len(held) != len(nodes) or len({len(h) for h in held}) != 1:
            yield None
            continue
        grid = np.stack(held)
        begin = 0
        for start, width in _runs(grid[0]):
            expected = start + np.arange(len(nodes))[:, None] * width + np.arange(width)
            yield Cut(tensor, dim, start, width) if (grid[:, begin : begin + width] == expected).all() else None
            begin += width


def _entries(trace: Trace, tensors: Mapping[str, Tensor]) -> Iterator[Site]:
    """A square Linear between an input and the output is an item-item matrix: each entry can leave."""
    for name in trace.item_item:
        tensor = f"{name}.weight" if name else "weight"
        yield Site(f"{name}.entry".lstrip("."), Kind.ENTRY, tensors[tensor].numel(), (Cut(tensor, FLAT),))


def _say_why(trace: Trace, tables: set[str], tensors: Mapping[str, Tensor], whole: dict[str, str]) -> None:
    for tensor, axes in trace.axes.items():
        for dim, labels in enumerate(axes.labels):
            if (tensor in tables and dim == 0) or f"{tensor}:{dim}" in whole or not len(labels):
                continue
            first = next((int(x) for x in labels if not trace.ledger.resolve(int(x))), None)
            if first is not None:
                whole[f"{tensor}:{dim}"] = _reason(trace, first)
    for group in trace.ledger.groups:
        reason = trace.ledger.reason(group.first) if group.kind == "head" else None
        if reason is not None:
            whole.setdefault(group.name, reason)
    for tensor in tensors:
        if tensor not in trace.axes and tensor not in tables and tensors[tensor].dim():
            whole[tensor] = "the example did not use it"


def _reason(trace: Trace, label: int) -> str:
    return (trace.ledger.reason(label) if label >= 0 else None) or "it meets an axis that stays whole"
