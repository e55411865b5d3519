"""The ledger of a trace: which positions of which axes leave together.

Every position of an axis carries a *label*: a node (>= 0), NEVER (-1: it stays), or a set of nodes (<= -2: it leaves
when any node of the set leaves, as position (field, dim) of a flattened embedding does). Nodes are joined when two axes
meet, replaced by a set when one position meets a product of others, and frozen when something needs them whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEVER", "Group", "Labels", "Ledger"]

NEVER = -1
Labels = NDArray[np.int64]

_LIVE, _REPLACED = 0, -1


@dataclass(frozen=True, slots=True)
class Group:
    """The nodes `first` .. `first + size` that one axis brought in; `name` is for people."""

    name: str
    kind: str
    first: int
    size: int


class Ledger:
    """Union-find over nodes, with sets and reasons."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self._size = 0
        self._parent: Labels = np.arange(1 << 10)
        self._state: Labels = np.zeros(1 << 10, dtype=np.int64)  # of roots: live, replaced, or 1 + a reason
        self._reasons: list[str] = []
        self._alias: dict[int, frozenset[int]] = {}
        self._sets: list[frozenset[int]] = []
        self._index: dict[frozenset[int], int] = {}

    def fresh(self, name: str, kind: str, size: int) -> Labels:
        """Labels of `size` new nodes."""
        first, self._size = self._size, self._size + size
        if self._size > len(self._parent):
            wide = 2 * self._size
            self._parent = np.concatenate([self._parent, np.arange(len(self._parent), wide)])
            self._state = np.concatenate([self._state, np.zeros(wide - len(self._state), dtype=np.int64)])
        self.groups.append(Group(name, kind, first, size))
        return np.arange(first, first + size, dtype=np.int64)

    def roots(self, nodes: Labels) -> Labels:
        """The representative of every node."""
        up = self._parent[nodes]
        if np.array_equal(up, nodes):
            return nodes
        while not np.array_equal(above := self._parent[up], up):
            up = above
        self._parent[nodes] = up
        return up

    def find(self, node: int) -> int:
        """The representative of one node."""
        while self._parent[node] != node:
            self._parent[node] = self._parent[self._parent[node]]
            node = int(self._parent[node])
        return node

    def resolve(self, label: int) -> frozenset[int]:
        """The representatives that a label still depends on; empty when it never leaves."""
        if label == NEVER:
            return frozenset()
        nodes: Iterable[int] = self._sets[-2 - label] if label < NEVER else (label,)
        out: set[int] = set()
        for node in nodes:
            root = self.find(node)
            if self._state[root] == _LIVE:
                out.add(root)
            elif self._state[root] == _REPLACED:
                for part in self._alias[root]:
                    out |= self.resolve(part)
        return frozenset(out)

    def depends(self, labels: Labels) -> tuple[Labels, Labels]:
        """(node, position) of every node that a position of the axis still leaves with, position by position."""
        plain = np.flatnonzero(labels >= 0)
        roots = self.roots(labels[plain])
        state = self._state[roots]
        nodes, places = roots[state == _LIVE], plain[state == _LIVE]
        rest = np.concatenate([plain[state == _REPLACED], np.flatnonzero(labels < NEVER)])
        if not len(rest):
            return nodes, places
        known = {int(x): sorted(self.resolve(int(x))) for x in np.unique(labels[rest])}
        found = [known[int(x)] for x in labels[rest]]
        more = np.array([node for part in found for node in part], dtype=np.int64)
        where = np.repeat(rest, [len(part) for part in found])
        nodes, places = np.concatenate([nodes, more]), np.concatenate([places, where])
        order = np.argsort(places, kind="stable")
        return nodes[order], places[order]

    def label(self, nodes: frozenset[int]) -> int:
        """The label that stands for a set of nodes."""
        if len(nodes) <= 1:
            return next(iter(nodes), NEVER)
        if nodes not in self._index:
            self._index[nodes] = -2 - len(self._sets)
            self._sets.append(nodes)
        return self._index[nodes]

    def alone(self, labels: Labels) -> Labels | None:
        """The one node that each position of an axis leaves with; None where one stays, or leaves with several."""
        nodes, places = self.depends(labels)
        return nodes if np.array_equal(places, np.arange(len(labels))) else None

    def live(self, labels: Labels) -> bool:
        """True where any position may leave."""
        plain = labels[labels >= 0]
        if len(plain) and (self._state[self.roots(plain)] == _LIVE).any():
            return True
        return len(self.depends(labels)[0]) > 0

    def freeze(self, labels: Labels, because: str) -> None:
        """Keep every node that these positions depend on."""
        nodes, _ = self.depends(labels)
        if len(nodes):
            self._reasons.append(because)
            self._state[nodes] = len(self._reasons)

    def reason(self, node: int) -> str | None:
        """Why a node was frozen; None where it was not."""
        state = int(self._state[self.find(node)])
        return self._reasons[state - 1] if state > 0 else None

    def merge(self, one: Labels, other: Labels, because: str) -> Labels:
        """Position by position, two axes become one. `because` is said where that freezes something."""
        if one is other or np.array_equal(one, other):
            return one
        stays = (one == NEVER) | (other == NEVER)
        if stays.any():
            self.freeze(np.concatenate([one[stays], other[stays]]), because)
        a, b = (one, other) if not stays.any() else (one[~stays], other[~stays])
        if not self._merge_fresh(a, b):
            for x, y in {(int(x), int(y)) for x, y in zip(a, b, strict=True) if x != y}:
                self._merge_pair(x, y, because)
        return one

    def _merge_fresh(self, one: Labels, other: Labels) -> bool:
        """The common case at once: both axes are single live nodes, each met for the first time."""
        if (one < 0).any() or (other < 0).any():
            return False
        a, b = self.roots(one), self.roots(other)
        if np.array_equal(a, b):
            return True
        both = np.sort(np.concatenate([a, b]))
        if (both[1:] == both[:-1]).any() or (self._state[both] != _LIVE).any():
            return False
        self._parent[np.maximum(a, b)] = np.minimum(a, b)
        return True

    def _merge_pair(self, a: int, b: int, because: str) -> None:
        left, right = self.resolve(a), self.resolve(b)
        mine, yours = left - right, right - left
        if mine and yours and len(mine) == 1 == len(yours):
            (x,), (y,) = mine, yours
            self._parent[max(x, y)] = min(x, y)
        elif mine and yours and (len(mine) == 1 or len(yours) == 1):
            one, many = (mine, yours) if len(mine) == 1 else (yours, mine)
            (x,) = one
            self._alias[x], self._state[x] = many, _REPLACED
        elif mine or yours:
            self.freeze(np.array([*mine, *yours], dtype=np.int64), because)

    def product(self, major: Labels, minor: Labels) -> Labels:
        """Labels of the flattened axis (major, minor): a position leaves when either leaves."""
        a, b = np.repeat(major, len(minor)), np.tile(minor, len(major))
        out = np.where(a == NEVER, b, a)
        for i in np.flatnonzero((a != NEVER) & (b != NEVER) & (a != b)):
            out[i] = self.label(self._nodes(int(a[i])) | self._nodes(int(b[i])))
        return out

    def _nodes(self, label: int) -> frozenset[int]:
        return self._sets[-2 - label] if label < NEVER else frozenset({label})

    def factor(self, labels: Labels, size: int, name: str) -> tuple[Labels, Labels]:
        """Split a flattened axis into (size, rest): the inverse of `product`, or new heads and dims inside a head."""
        grid = labels.reshape(size, -1)
        never = np.full(grid.shape[0], NEVER), np.full(grid.shape[1], NEVER)
        if (grid == grid[:1]).all():
            return never[0], grid[0]
        if (grid == grid[:, :1]).all():
            return grid[:, 0], never[1]
        sets = [[self.resolve(int(x)) for x in row] for row in grid]
        rows = [frozenset.intersection(*row) for row in sets]
        columns = [frozenset.intersection(*column) for column in zip(*sets, strict=True)]
        if all(sets[i][j] == rows[i] | columns[j] for i in range(size) for j in range(grid.shape[1])):
            return np.array([self.label(r) for r in rows]), np.array([self.label(c) for c in columns])
        if all(len(s) == 1 for row in sets for s in row):
            return self._split(grid, name)
        self.freeze(labels, f"{name} splits an axis that is no product")
        return never

    def _split(self, grid: Labels, name: str) -> tuple[Labels, Labels]:
        heads = self.fresh(f"{name}.head", "head", grid.shape[0])
        inside = self.fresh(f"{name}.inside", "neuron", grid.shape[1])
        for i, row in enumerate(grid):
            for j, label in enumerate(row):
                self._merge_pair(int(label), self.label(frozenset({int(heads[i]), int(inside[j])})), name)
        return heads, inside
