"""Keep what occurs often: no gradient, no pass over the model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.entries import weighed_inputs
from recprune.importance.probe import Probe
from recprune.tracing.site import Kind, Site

__all__ = ["Frequency"]


@dataclass(frozen=True)
class Frequency:
    """Ids: how often the id occurs, in all columns of the site together.
    Entries (i, j) of an item-item matrix: |w_ij| · sqrt(count of item j).

    The counts are the probe's. For 0/1 histories sqrt(count_j) is the norm of input j, so entries are ranked as by
    Sun et al. 2024 (A Simple and Effective Pruning Approach for Large Language Models), section 3, equation 1.
    Raises SurveyError for other kinds, which have no frequency, and where the column's counts are missing.
    """

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        if site.kind is Kind.ID:
            counts = probe.counts(site)
            return counts if counts is not None else _missing(site, site.column or "")
        if site.kind is Kind.ENTRY:
            return _entries(site, probe)
        raise SurveyError(
            f"frequency scores ids and entries; site {site.name!r} is of kind {site.kind} and does not occur in the "
            "data. Score only those kinds (kinds={'id', 'entry'}), or take the rule taylor or magnitude.",
            site=site.name,
            kind=site.kind,
        )


def _entries(site: Site, probe: Probe) -> Tensor:
    column = site.column or "item"
    counts = probe.column_counts(column)
    if counts is None:
        return _missing(site, column)
    total = torch.zeros(site.size, dtype=torch.float64)
    for cut, item, inputs in weighed_inputs(probe.model, site):
        if len(counts) != inputs:
            raise SurveyError(
                f"site {site.name!r}: {cut.tensor} takes {inputs} inputs and there are {len(counts)} counts of column "
                f"{column!r}; they must be the same items, one entry a unit",
                site=site.name,
                column=column,
            )
        total += probe.weights(cut, site.size)[:, 0].abs().double().cpu() * counts.sqrt()[item]
    return total


def _missing(site: Site, column: str) -> Tensor:
    raise SurveyError(
        f"site {site.name!r}: frequency needs how often each code of column {column!r} occurs; give the probe "
        f"counts={{{column!r}: ...}}",
        site=site.name,
        column=column,
    )
