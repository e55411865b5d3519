"""Where units stand: which positions of which axes leave with a node, and the cuts that say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recprune.tracing.ledger import Labels, Ledger
from recprune.tracing.site import Cut

__all__ = ["Place", "Places", "runs"]

Place = tuple[str, int]
"""An axis of a tensor, or of the first argument of an operation that averages ("@name#number")."""


class Places:
    """axes: (tensor, axis) -> a label for every position of it, when the whole pass has been seen."""

    def __init__(self, ledger: Ledger, axes: Mapping[Place, Labels]) -> None:
        self.keys = list(axes)
        found = [ledger.depends(labels) for labels in axes.values()]
        nodes = np.concatenate([np.empty(0, np.int64), *(n for n, _ in found)])
        order = np.argsort(nodes, kind="stable")
        self._nodes = nodes[order]
        self._keys = np.repeat(np.arange(len(found)), [len(n) for n, _ in found])[order]
        self._positions = np.concatenate([np.empty(0, np.int64), *(p for _, p in found)])[order]

    @property
    def nodes(self) -> Labels:
        """All nodes that stand anywhere, ascending."""
        return np.unique(self._nodes)

    def of(self, node: int) -> list[Place]:
        """The axes in which a node stands."""
        return [self.keys[key] for key in np.unique(self._keys[self._slice(node, node)])]

    def loose(self, nodes: Labels) -> Iterator[Cut]:
        """Cuts for one unit that takes all these nodes and may lie in several pieces."""
        at = np.isin(self._nodes, nodes) if len(nodes) > 1 else self._slice(int(nodes[0]), int(nodes[0]))
        for key, (_, positions) in self._by_key(at).items():
            for start, width in runs(np.unique(positions)):
                yield Cut(*self.keys[key], start, width)

    def cuts(self, first: int, last: int) -> Iterator[Cut | None]:
        """Cuts for the units `first` to `last`, consecutive nodes; None where they do not lie at even distances."""
        count = last - first + 1
        for key, (nodes, positions) in self._by_key(self._slice(first, last)).items():
            times, left = divmod(len(nodes), count)
            if left or (nodes.reshape(count, times) != np.arange(first, last + 1)[:, None]).any():
                yield None
                continue
            grid = positions.reshape(count, times)
            begin = 0
            for start, width in runs(grid[0]):
                expected = start + np.arange(count * width).reshape(count, width)
                even = np.array_equal(grid[:, begin : begin + width], expected)
                yield Cut(*self.keys[key], start, width) if even else None
                begin += width

    def _slice(self, first: int, last: int) -> slice:
        return slice(np.searchsorted(self._nodes, first), np.searchsorted(self._nodes, last, side="right"))

    def _by_key(self, at: slice | NDArray[np.bool_]) -> dict[int, tuple[Labels, Labels]]:
        """Axis -> the nodes in it, and their positions, node by node."""
        keys = self._keys[at]
        order = np.argsort(keys, kind="stable")
        keys, nodes, positions = keys[order], self._nodes[at][order], self._positions[at][order]
        breaks = [0, *(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(keys)]
        return {int(keys[a]): (nodes[a:b], positions[a:b]) for a, b in pairwise(breaks) if b > a}


def runs(at: Labels) -> list[tuple[int, int]]:
    """Maximal runs (start, width) of ascending positions."""
    breaks = [0, *(np.flatnonzero(np.diff(at) > 1) + 1).tolist(), len(at)]
    return [(int(at[a]), b - a) for a, b in pairwise(breaks)]
