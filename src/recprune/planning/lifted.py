"""lifted: what was scored on a smaller model, told of the units of the model that it was cut from."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from recprune.planning.costs import unit_costs
from recprune.planning.origins import Origins

__all__ = ["inherited", "lifted"]

FAR = 1e30
"""Farther away than any score: a unit that left is worth -FAR, one that can no longer leave by itself FAR."""


def lifted(scores: Mapping[str, Tensor], origins: Origins) -> dict[str, Tensor]:
    """Site of the first model -> (size,) float64 scores by which `choose` goes on from where the first plan stopped.

    scores: site of the smaller model -> (size,). Units that have left come first, so that they leave again; units that
    the smaller model cannot lose come last. What is worth as much as before costs more in the larger model, where a
    unit takes more numbers along: scores are told in its costs, so that prices stay as they are in the smaller one.
    """
    first, out = origins.first, {}
    for site in first.survey.sites:
        out[site.name] = torch.full((site.size,), FAR, dtype=torch.float64)
    for here in origins.survey.sites:
        for name, units, there in origins.of[here.name] if here.name in scores else ():
            dearer = _cost(origins, name) / max(unit_costs(origins.survey, here), 1)
            out[name][torch.from_numpy(there)] = dearer * scores[here.name].double()[torch.from_numpy(units)]
    for site in first.survey.sites:
        out[site.name][torch.from_numpy(first.leaving(site))] = -FAR
    scored = {name for site in scores for name, _, _ in origins.of[site]}
    return {name: worth for name, worth in out.items() if name in scored or bool((worth == -FAR).any())}


def inherited(scores: Mapping[str, Tensor], origins: Origins) -> dict[str, Tensor]:
    """The other way round: what was scored on the first model, told of the units that the smaller one still has.

    scores: site of the first model -> (size,). Sites of the smaller one with a unit that was none are left out.
    """
    out = {}
    for site in origins.survey.sites:
        found = [(name, here, there) for name, here, there in origins.of[site.name] if name in scores]
        if sum(len(here) for _, here, _ in found) < site.size:
            continue
        out[site.name] = torch.empty(site.size, dtype=torch.float64)
        for name, here, there in found:
            out[site.name][torch.from_numpy(here)] = scores[name].double()[torch.from_numpy(there)]
    return out


def _cost(origins: Origins, name: str) -> int:
    return max(unit_costs(origins.first.survey, origins.first.survey.site(name)), 1)
