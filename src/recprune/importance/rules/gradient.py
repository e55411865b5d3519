"""Keep what the loss still pulls at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recprune.importance.probe import Probe
from recprune.tracing.site import Site

__all__ = ["Gradient"]


@dataclass(frozen=True)
class Gradient:
    """Sum of |g| over everything learnable that leaves with a unit, g the mean gradient over the probe batches.

    It says where the loss would move most for a small step, not how much a unit gives: it suits a model early in
    training and is noise at a minimum, where all g vanish (take `taylor` there). Evci et al. 2020 (Rigging the
    Lottery), section 3, (3) choose connections by it.
    """

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        total = torch.zeros(site.size, dtype=torch.float64)
        for cut in site.cuts:
            total += probe.gradients(cut, site.size).abs().sum(1, dtype=torch.float64).cpu()
        return total
