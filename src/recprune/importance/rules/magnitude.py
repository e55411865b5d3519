"""Keep what is large: the plainest rule, and hard to beat."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.tracing.site import Site

__all__ = ["Magnitude"]


@dataclass(frozen=True)
class Magnitude:
    """Sum of |w|^p over everything learnable that leaves with a unit. Needs no data.

    `p` is above 0, otherwise SurveyError is raised. Comparable inside a site; `choose` divides by a unit's cost to
    compare across sites.
    Han et al. 2015 (Learning both Weights and Connections), section 3; for whole filters Li et al. 2017 (Pruning
    Filters for Efficient ConvNets), section 3.1.
    """

    p: float = 2.0

    def __post_init__(self) -> None:
        if not self.p > 0:
            raise SurveyError(f"p is the power of the magnitude, a number above 0; got {self.p!r}", p=self.p)

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        total = torch.zeros(site.size, dtype=torch.float64)
        for cut in site.cuts:
            total += probe.weights(cut, site.size).abs().pow(self.p).sum(1, dtype=torch.float64).cpu()
        return total
