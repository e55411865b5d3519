"""Sites that modules offer themselves, by a method `prunable()`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from recprune.tracing.site import Site, Survey

__all__ = ["with_offered"]


def with_offered(model: nn.Module, found: Survey) -> Survey:
    """The survey with the sites and the pointers that submodules offer, in names of the whole model."""
    own: list[Site] = []
    pointers = dict(found.pointers)
    for path, module in model.named_modules():
        offered: Any = getattr(module, "prunable", None)
        if offered is None:
            continue
        front = f"{path}." if path else ""
        own += [_inside(site, front) for site in offered()]
        pointers |= {front + b: front + t for b, t in getattr(module, "pointers", {}).items()}
    cut = {f"{c.tensor}:{c.dim}" for site in own for c in site.cuts}
    whole = {name: reason for name, reason in found.whole.items() if name not in cut}
    return replace(found, sites=(*found.sites, *own), whole=whole, pointers=pointers) if own else found


def _inside(site: Site, front: str) -> Site:
    cuts = tuple(replace(cut, tensor=front + cut.tensor) for cut in site.cuts)
    return replace(site, name=front + site.name, cuts=cuts, attributes=tuple(front + a for a in site.attributes))
