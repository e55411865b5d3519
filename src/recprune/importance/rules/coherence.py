"""Keep who had what where the rest of the history tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.tracing.site import Kind, Site

__all__ = ["Coherence"]

TINY = 1e-30
ENTRIES = 1 << 18
"""Entries that are looked at together."""


@dataclass(frozen=True)
class Coherence:
    """Entries (r, c) of a sparse matrix of histories, beside a table `item` of factors v of its columns: the share of
    w_rc in the sum of row r (1 / n_u for pairs of user and item), times the square of cos(sum over the other entries d
    of row r of v_d, v_c), 0 where that is negative. What a walk over others goes along is kept where it leads to items
    alike, and what an item shares a history with by chance leaves.

    Leave-one-out: an entry does not speak for itself. Needs no data. Raises SurveyError for other kinds than entries,
    for a dense matrix, and where no such table stands beside.
    """

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        held, factors = _beside(site, probe.model)
        values, rows, columns = held.values.detach(), held.rows(), held.indices.long()
        alike, sums = F.normalize(factors, dim=1), factors.new_zeros(held.out_features, factors.shape[1])
        whole = values.new_zeros(held.out_features).index_add(0, rows, values.abs())
        parts = range(0, len(values), ENTRIES)
        for part in (slice(a, a + ENTRIES) for a in parts):
            sums.index_add_(0, rows[part], factors[columns[part]])
        out = torch.empty(len(values), dtype=torch.float64)
        for part in (slice(a, a + ENTRIES) for a in parts):
            rest = F.normalize(sums[rows[part]] - factors[columns[part]], dim=1)
            told = (rest * alike[columns[part]]).sum(1).clamp(min=0)
            out[part] = (told.square() * values[part].abs() / whole[rows[part]].clamp(min=TINY)).double()
        return out


def _beside(site: Site, model: nn.Module) -> tuple[Any, Tensor]:
    """The sparse matrix, and the factors (columns, dim) of its columns."""
    path = site.cuts[0].tensor.rpartition(".")[0]
    held: Any = model.get_submodule(path)
    table = getattr(model.get_submodule(path.rpartition(".")[0]), "item", None)
    weight = getattr(table, "weight", None)
    fits = isinstance(weight, Tensor) and weight.dim() == 2 and len(weight) == getattr(held, "in_features", -1)
    if site.kind is not Kind.ENTRY or site.matrix is None or not fits:
        raise SurveyError(
            f"site {site.name!r}: coherence scores entries of a sparse matrix beside a table `item` of factors of its "
            "columns; take magnitude, taylor or mse_increase",
            site=site.name,
            kind=site.kind,
        )
    found: Tensor = weight.detach()  # type: ignore[union-attr]
    return held, found
