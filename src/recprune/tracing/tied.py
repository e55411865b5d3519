"""Tied tables: their rows are looked up, and met again where the answers are made."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from recprune.tracing.places import Places
from recprune.tracing.seen import Seen
from recprune.tracing.site import Site
from recprune.tracing.structures.embedding import LOOKUPS

__all__ = ["Tied"]


class Tied:
    """What leaves with the rows of tables that are read as a whole too, as `states @ item.weight.T` does."""

    def __init__(self, seen: Seen) -> None:
        self._seen, self._looked_up = seen, {lookup.table for lookup in seen.lookups}

    def read(self, table: str) -> set[str]:
        """The operations that read it beside look-ups."""
        return self._seen.readers[table] - set(LOOKUPS)

    def why_not(self, table: str) -> str:
        """Why the rows of such a table have to stay; empty where they are answers and can leave those."""
        labels, ledger = self._seen.axes[table].labels[0], self._seen.ledger
        if ledger.alone(labels) is None:
            stays = np.setdiff1d(np.arange(len(labels)), ledger.depends(labels)[1])
            return (ledger.reason(int(labels[stays[0]])) if len(stays) else None) or "they meet rows of others"
        return "" if any(table in self._seen.rows_of(axis) for axis in self._seen.answers.values()) else "no answers"

    def whole(self, site: Site) -> Site | str:
        """A site of ids with all that meets its rows: a bias, an average over them, the answers. As it is where its
        tables are only looked up; the reason where rows of other tables meet them too."""
        tables = {cut.tensor: self._seen.axes[cut.tensor].labels[0] for cut in site.cuts}
        nodes = [self._seen.ledger.roots(labels)[1:] for table, labels in tables.items() if self.read(table)]
        if not nodes:
            return site
        first = int(nodes[0][0])
        found = list(self._met.cuts(first, first + site.size - 1))
        cuts = [cut for cut in found if cut is not None and cut not in site.cuts]
        if any(cut.dim == 0 and cut.tensor in self._looked_up - tables.keys() for cut in cuts):
            return "its rows meet those of others"
        if None in found or any(not np.array_equal(own, np.arange(first, first + site.size)) for own in nodes):
            return "its rows do not lie regularly in every tensor"
        return replace(
            site,
            cuts=(*site.cuts, *(cut for cut in cuts if not cut.tensor.startswith("@"))),
            averaged=tuple(cut for cut in cuts if cut.tensor.startswith("@aten")),
            answers=tuple(cut for cut in cuts if cut.tensor.startswith("@output")),
        )

    @cached_property
    def _met(self) -> Places:
        """All axes, those of rows, of averages and of the output among them."""
        axes = {(t, d): labels for t, axes in self._seen.axes.items() for d, labels in enumerate(axes.labels)}
        return Places(self._seen.ledger, {**axes, **self._seen.averages, **self._seen.answers})
