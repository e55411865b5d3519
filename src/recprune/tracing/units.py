"""Units of the network: nodes that came in together and still live become sites; entries of item-item matrices too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
from torch import Tensor

from recprune.tracing.ledger import Group
from recprune.tracing.places import Places, runs
from recprune.tracing.seen import Seen
from recprune.tracing.site import FLAT, Cut, Kind, Site

__all__ = ["entries", "units"]


def units(seen: Seen, tables: set[str], places: Places, averaged: Places, whole: dict[str, str]) -> Iterator[Site]:
    """One site for each run of nodes, where they lie regularly; otherwise `whole` says so."""
    taken: dict[str, int] = defaultdict(int)
    for group, first, last in _together(seen, places):
        kind, name = _kind(seen, tables, places.of(first), group)
        cuts, means = list(places.cuts(first, last)), list(averaged.cuts(first, last))
        if None in cuts or None in means:
            whole[name] = "its units do not lie regularly in every tensor"
            continue
        taken[name] += 1
        numbered = name if taken[name] == 1 else f"{name}.{taken[name]}"
        known, known_means = (tuple(cut for cut in found if cut is not None) for found in (cuts, means))
        yield Site(numbered, kind, last - first + 1, known, averaged=known_means)


def _together(seen: Seen, places: Places) -> Iterator[tuple[Group, int, int]]:
    """(group, first, last) of nodes that live side by side in one group; those of whole fields and of rows of tables
    are sites already."""
    fields = np.array([seen.ledger.find(f.node) for f in seen.fields], dtype=np.int64)
    tables = dict.fromkeys(lookup.table for lookup in seen.lookups)
    rows = [seen.ledger.roots(seen.axes[table].labels[0]) for table in tables]
    alive = np.setdiff1d(places.nodes, np.concatenate([fields, *rows]), assume_unique=False)
    groups = sorted(seen.ledger.groups, key=lambda g: g.first)
    owner = np.searchsorted(np.array([g.first for g in groups]), alive, side="right") - 1
    for number in np.unique(owner).tolist():
        for first, width in runs(alive[owner == number]):
            yield groups[number], first, first + width - 1


def _kind(seen: Seen, tables: set[str], met: list[tuple[str, int]], group: Group) -> tuple[Kind, str]:
    """What the units are, and a name made of the tensors that bring them in. met: the axes that they stand in."""
    own = [t.removesuffix(".weight") for t, d in met if t in tables and d == 1]
    if group.kind == "head":
        return Kind.HEAD, group.name
    if own:
        return Kind.DIM, "+".join(own) + ".dim"
    tensor = met[0][0] if group.kind in ("made", "stretched") else group.name.rpartition(":")[0]
    convolved = any("aten.convolution.default" in seen.readers.get(t, ()) and d == 0 for t, d in met)
    kind = Kind.FILTER if convolved else Kind.NEURON
    return kind, f"{(tensor or group.name).removesuffix('.weight').removesuffix('.bias')}.{kind}"


def entries(seen: Seen, tensors: Mapping[str, Tensor]) -> Iterator[Site]:
    """A square Linear between an input and the output is an item-item matrix: each entry can leave."""
    for name in seen.item_item:
        tensor = f"{name}.weight" if name else "weight"
        yield Site(f"{name}.entry".lstrip("."), Kind.ENTRY, tensors[tensor].numel(), (Cut(tensor, FLAT),))
