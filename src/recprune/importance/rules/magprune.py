"""Keep what is large, and of every row something: a row that is small all over still has to answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.tracing.site import FLAT, Cut, Kind, Site

__all__ = ["Magprune"]


@dataclass(frozen=True)
class Magprune:
    """Entries by |w|, but the largest ⌈floor · entries⌉ of every row leave last, and then row by row alike.

    A rank in place of a size: an entry outside its row's floor scores 0 to below 1 by the rank of |w| among all, one
    inside it 1 to 2 by its rank in its row. So the floor holds for every budget that can be met without it, and with
    floor=1 every row keeps as many entries as the next. Tran et al. 2024 (A Thorough Performance Benchmarking on
    Lightweight Embedding-based Recommender Systems), where the floor is found on validation: try some.
    Needs no data. Raises SurveyError for other kinds than entries and for a floor outside 0..1.
    """

    floor: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= 1:
            raise SurveyError(
                f"floor is the share of a row that leaves last, 0 to 1; got {self.floor!r}", floor=self.floor
            )

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        if site.kind is not Kind.ENTRY:
            raise SurveyError(
                f"site {site.name!r} is of kind {site.kind}: magprune scores entries, which have a row; take "
                "kinds={'entry'}, or the rule magnitude",
                site=site.name,
                kind=site.kind,
            )
        found = [(cut, row) for cut in site.cuts if (row := _rows(cut, site, probe)) is not None]
        if len(found) != 1:
            raise SurveyError(
                f"site {site.name!r}: its entries are of no single matrix; take magnitude", site=site.name
            )
        (cut, rows) = found[0]
        sizes = probe.weights(cut, site.size)[:, 0].double().cpu().abs()
        return _banded(sizes, rows, self.floor)


def _rows(cut: Cut, site: Site, probe: Probe) -> Tensor | None:
    """(size,) the row that each entry stands in; None for a tensor that is no matrix of numbers."""
    owner, _, name = cut.tensor.rpartition(".")
    module = probe.model.get_submodule(owner)
    tensor: Tensor = getattr(module, name)
    starts = getattr(module, "indptr", None)
    if not tensor.is_floating_point():
        return None
    where = torch.arange(cut.start, cut.start + site.size)
    if cut.dim == FLAT and tensor.dim() > 1:
        return where // math.prod(tensor.shape[1:])
    if cut.dim == 0 and tensor.dim() == 1 and isinstance(starts, Tensor):
        return torch.searchsorted(starts.long().cpu(), where, right=True) - 1
    return None


def _banded(sizes: Tensor, rows: Tensor, floor: float) -> Tensor:
    """(entries,) ranks in two bands: below 1 among all, 1 to 2 inside the floor of a row."""
    order = torch.argsort(sizes, stable=True)
    among_all = torch.empty_like(sizes)
    among_all[order] = torch.arange(len(sizes), dtype=torch.float64) / max(len(sizes), 1)
    by_row = order.flip(0)[torch.argsort(rows[order.flip(0)], stable=True)]
    counts = torch.bincount(rows)
    first = counts.cumsum(0) - counts
    place = torch.empty_like(rows)
    place[by_row] = torch.arange(len(rows)) - first[rows[by_row]]
    width = counts[rows]
    inside = place < torch.ceil(floor * width.double() - 1e-9)
    return torch.where(inside, 2.0 - place / width.clamp(min=1), among_all)
