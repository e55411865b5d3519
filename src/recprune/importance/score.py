"""score: a rule asked about every site."""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import FunctionType
from typing import Protocol

import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.tracing.site import Kind, Site, Survey

__all__ = ["Rule", "score", "spelled"]

BLOCK = 1 << 22
"""Scores that are looked at together."""


class Rule(Protocol):
    """(site.size,) numbers, higher = worth keeping. Inside a site they compare as they are; `choose` divides by what a
    unit costs in entries to compare across sites."""

    def __call__(self, site: Site, probe: Probe) -> Tensor: ...


def score(
    survey: Survey,
    rule: Rule,
    probe: Probe,
    *,
    kinds: Collection[Kind] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Tensor]:
    """One tensor a site: site name -> (site.size,) float, on the CPU, in the order of the survey.

    kinds: only sites of these kinds; all when None. progress(done, all, site name) is called before every site.
    Raises SurveyError where the rule cannot score a site, or gives another shape or a number that is not finite.

    >>> score(survey, Magnitude(), Probe(model, survey))["tower.0.neuron"].shape
    torch.Size([64])
    """
    sites = [site for site in survey.sites if kinds is None or site.kind in kinds]
    scores = {}
    for done, site in enumerate(sites):
        if progress is not None:
            progress(done, len(sites), site.name)
        scores[site.name] = _checked(rule(site, probe), site, rule)
    return scores


def spelled(rule: Rule) -> str:
    """How a plan names a rule: "recprune.importance.rules.magnitude:Magnitude(p=2.0)"; a function by its own name."""
    if isinstance(rule, FunctionType):
        return f"{rule.__module__}:{rule.__qualname__}"
    return f"{type(rule).__module__}:{rule!r}"


def _checked(worth: Tensor, site: Site, rule: Rule) -> Tensor:
    if not isinstance(worth, Tensor) or tuple(worth.shape) != (site.size,):
        came = tuple(worth.shape) if isinstance(worth, Tensor) else type(worth).__name__
        raise SurveyError(
            f"{spelled(rule)} gave {came} for site {site.name!r}; a rule gives a tensor of shape ({site.size},)",
            site=site.name,
        )
    worth = worth.detach().cpu()
    worth = worth if worth.dtype in (torch.float32, torch.float64) else worth.double()
    broken = sum(int((~torch.isfinite(block)).sum()) for block in torch.split(worth, BLOCK))
    if broken:
        raise SurveyError(
            f"{spelled(rule)} gave {broken} of {site.size} scores of site {site.name!r} that are not finite: "
            "look for NaN or infinity in the model's weights or in the probe batches",
            site=site.name,
        )
    return worth
