"""drawn_alike(): a plan of the same shape whose units are drawn at random."""

from __future__ import annotations

import math
from dataclasses import replace
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from recprune.encodings.item_item import by_entries
from recprune.errors import BudgetError
from recprune.importance.rules.random import Random
from recprune.importance.score import spelled
from recprune.planning.plan import Plan
from recprune.tracing.site import FLAT, Kind, Site, Survey

__all__ = ["drawn_alike"]

DRAWS = 1000
"""Sets of fields that are drawn, to find one of the same size."""

Kept = dict[str, NDArray[np.int64]]


def drawn_alike(plan: Plan, seed: int = 0) -> Plan:
    """The same number of units of every site, chosen by chance, stored in the same encodings: a plan of the same bytes.

    How much every site gives is the plan's; which units give it is drawn. Layer by layer alike is how random pruning is
    set against a criterion by Su et al. 2020 (Sanity-Checking Pruning Methods) and Frankle et al. 2021
    (Pruning Neural Networks at Initialization): chance over all kinds at once may take the one field that a
    model lives by, and proves nothing. Entries that an encoding stores k a row are drawn row by row.
    A field leaves as a whole, so that nothing can be drawn inside it: those of the plan leave here too. Where fields
    are all that it takes as many are drawn, of 1,000 sets the one whose bytes come nearest, the plan's own not among
    them. Raises BudgetError where there is no other set.
    """
    sites = [site for site in plan.survey.sites if len(plan.leaving(site))]
    fields = [site for site in sites if site.kind is Kind.FIELD]
    if fields and len(fields) == len(sites):
        kept = _other_fields(plan, fields, seed)
    else:
        kept = {site.name: _drawn(plan, site, _rng(seed, site.name)) for site in sites}
    return replace(plan, kept=kept, rule=spelled(Random(seed)))


def _rng(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, crc32(name.encode())])


def _drawn(plan: Plan, site: Site, rng: np.random.Generator) -> NDArray[np.int64]:
    """As many units as the plan keeps of a site."""
    kept = plan.units(site)
    if site.kind is Kind.FIELD:
        return kept
    rows = _rows_of_entries(plan, site)
    if rows:
        mask = np.zeros(site.size, dtype=bool)
        mask[kept] = True
        return np.flatnonzero(rng.permuted(mask.reshape(rows, -1), axis=1)).astype(np.int64)
    return np.sort(rng.choice(site.size, len(kept), replace=False)).astype(np.int64)


def _rows_of_entries(plan: Plan, site: Site) -> int:
    """Rows of a matrix that stores as many entries in each; 0 for other sites."""
    first = site.cuts[0]
    stored = plan.encodings.get(first.tensor, "item_item")
    shape = plan.survey.shapes[first.tensor]
    whole = first.dim == FLAT and site.size == math.prod(shape)
    return shape[0] if whole and not by_entries(stored) else 0


def _other_fields(plan: Plan, fields: list[Site], seed: int) -> Kept:
    """Other fields, as many as the plan took, that take about as many bytes."""
    budget, size = plan.budget, plan.account().bytes_after
    open_ = [s.name for s in _fields(plan.survey) if not budget.sites or s.name in budget.sites]
    own, rng = {site.name for site in fields}, _rng(seed, "field")
    sets = {tuple(sorted(rng.permutation(open_)[: len(fields)].tolist())) for _ in range(DRAWS)} - {tuple(sorted(own))}
    if not sets:
        raise BudgetError(f"chance has no other choice: {len(fields)} of {len(open_)} fields leave", sites=tuple(own))
    nothing = np.empty(0, dtype=np.int64)
    plans = [replace(plan, kept=dict.fromkeys(names, nothing)) for names in sorted(sets)]
    return dict(min(plans, key=lambda one: abs(one.account().bytes_after - size)).kept)


def _fields(survey: Survey) -> list[Site]:
    return [site for site in survey.sites if site.kind is Kind.FIELD]
