"""Fields of a mapping: a column leaves with the tables that only it looks up; forward is given zeros in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from recprune.tracing.ledger import Labels
from recprune.tracing.places import Places
from recprune.tracing.seen import Seen
from recprune.tracing.site import Absent, Cut, Kind, Site

__all__ = ["by_rows", "fields_of_mappings"]


def fields_of_mappings(
    seen: Seen, ids: Sequence[Site], places: Places, averaged: Places, whole: dict[str, str]
) -> Iterator[Site]:
    """One site a column of a mapping, of one unit: all dims of its tables where these are its own, else all rows but
    the one that answers for ids that left; `whole` says why others cannot leave.

    ids: the sites of ids.
    """
    for column, absent in ((name, absent) for name, absent in seen.absent.items() if name in seen.read):
        own = next((site for site in ids if column in site.columns), None)
        if own is None or own.also or own.answers:
            whole[f"{column}.field"] = _reason(seen, ids, column, whole)
            continue
        nodes = _own_dims(seen, {cut.tensor for cut in own.cuts})
        if nodes is None:
            yield by_rows(own, absent)
            continue
        cuts, means = (tuple(found.loose(nodes)) for found in (places, averaged))
        yield Site(f"{column}.field", Kind.FIELD, 1, cuts, column, averaged=means, absent=absent)


def by_rows(ids: Site, absent: Absent) -> Site:
    """The field of these ids, with the row that answers for ids that left staying."""
    cuts = tuple(Cut(cut.tensor, 0, cut.start, ids.size) for cut in ids.cuts)
    return Site(f"{ids.column}.field", Kind.FIELD, 1, cuts, ids.column, ids.fallback, absent=absent)


def _own_dims(seen: Seen, tables: set[str]) -> Labels | None:
    """Nodes of all dims of these tables; None where dims stay, or belong to other tables or other rows too."""
    looked_up = {lookup.table: lookup.source for lookup in seen.lookups if len(seen.axes[lookup.table].labels) == 2}
    if tables - looked_up.keys() or any(
        source is None or source.pointer for table, source in looked_up.items() if table in tables
    ):
        return None
    depends = {table: seen.ledger.depends(seen.axes[table].labels[1]) for table in looked_up}
    if any(len(np.unique(depends[table][1])) < seen.axes[table].shape[1] for table in tables):
        return None
    nodes = np.unique(np.concatenate([depends[table][0] for table in sorted(tables)]))
    others = [found for table, (found, _) in depends.items() if table not in tables]
    return None if any(np.isin(found, nodes).any() for found in others) else nodes


def _reason(seen: Seen, ids: Sequence[Site], column: str, whole: Mapping[str, str]) -> str:
    if any(site.answers for site in ids if column in site.columns):
        return "its rows are answers too"
    known = [c for site in ids for c in site.columns if column in site.columns or c.startswith(f"{column}.")]
    if known:
        shared = f"its rows are also looked up by {', '.join(c for c in known if c != column)}"
        return shared if column in known else "its columns are taken by their place"
    tables = {x.table for x in seen.lookups if x.source is not None and column in x.source.columns}
    return next((whole[f"{t}:0"] for t in sorted(tables) if f"{t}:0" in whole), "no table is looked up by it")
