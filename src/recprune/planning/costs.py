"""What leaves with one unit: entries, stored bytes or multiply-adds, by what the budget counts."""

from __future__ import annotations

import math
from collections.abc import Mapping

from recprune.planning.account import stored_size
from recprune.planning.budget import Budget
from recprune.planning.held import absorbed, sparse_matrices
from recprune.tracing.site import FLAT, Cut, Site, Survey

__all__ = ["cost_of", "unit_costs"]


def unit_costs(survey: Survey, site: Site) -> int:
    """Entries that leave with one unit of a site while everything else stays."""
    return sum(_entries(survey, cut) for cut in site.cuts if cut.tensor not in survey.buffers)


def cost_of(survey: Survey, site: Site, budget: Budget, encodings: Mapping[str, str], by_work: bool) -> float:
    """What leaves with one unit, in the currency of the budget."""
    if by_work:
        return sum(_work(survey, cut) for cut in site.cuts if cut.tensor not in survey.buffers)
    return unit_costs(survey, site) if budget.bytes is None else _unit_bytes(survey, site, encodings)


def _work(survey: Survey, cut: Cut) -> float:
    """Multiply-adds of one row; of a table only one row is read, so that a row of it costs next to nothing."""
    return _entries(survey, cut) / (survey.shapes[cut.tensor][0] if cut.tensor in survey.features else 1)


def _unit_bytes(survey: Survey, site: Site, encodings: Mapping[str, str]) -> float:
    """Stored bytes that leave with one unit, each entry as dear as the mean one of its tensor."""
    return sum(_entries(survey, cut) * _entry_bytes(survey, cut.tensor, encodings) for cut in site.cuts)


def _entry_bytes(survey: Survey, tensor: str, encodings: Mapping[str, str]) -> float:
    shape, matrix = survey.shapes[tensor], sparse_matrices(survey).get(tensor)
    if tensor in absorbed(survey, encodings):
        return 0.0
    entries = max(math.prod(shape), 1)
    inside = None if matrix is None else matrix.shape
    return stored_size(shape, entries, survey.bytes_per_entry[tensor], encodings.get(tensor), inside) / entries


def _entries(survey: Survey, cut: Cut) -> int:
    whole = math.prod(survey.shapes[cut.tensor])
    return cut.width if cut.dim == FLAT else cut.width * whole // _axis(survey, cut)


def _axis(survey: Survey, cut: Cut) -> int:
    return max(survey.shapes[cut.tensor][cut.dim], 1)
