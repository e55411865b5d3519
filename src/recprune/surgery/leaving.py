"""What leaves by a plan, and what stays of the entries that leave one by one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recprune.planning.plan import Plan
from recprune.tracing.cutting import Leaving
from recprune.tracing.site import FLAT

__all__ = ["leaving_of", "stays_of"]


def leaving_of(plan: Plan) -> Leaving:
    """Site -> the units that leave, but for entries, of which there may be very many (`stays_of`)."""
    sites = [site for site in plan.survey.sites if site.name in plan.kept and any(c.dim != FLAT for c in site.cuts)]
    found = {site.name: plan.leaving(site) for site in sites}
    return {name: units for name, units in found.items() if len(units)}


def stays_of(plan: Plan) -> dict[str, Tensor]:
    """Tensor -> (its entries,) bool: which stay, where some leave one by one."""
    out: dict[str, Tensor] = {}
    for site in plan.survey.sites:
        if len(plan.kept.get(site.name, ())) == site.size or site.name not in plan.kept:
            continue
        stays = torch.zeros(site.size, dtype=torch.bool)
        stays[torch.from_numpy(plan.kept[site.name])] = True
        for cut in site.cuts:
            if cut.dim == FLAT:
                whole = torch.ones(math.prod(plan.survey.shapes[cut.tensor]), dtype=torch.bool)
                mask = out.setdefault(cut.tensor, whole)
                mask[cut.start : cut.start + site.size * cut.width].view(site.size, cut.width).mul_(stays[:, None])
    return out
