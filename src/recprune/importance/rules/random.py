"""Keep what chance says: the rival that every other rule must beat."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from recprune.importance.probe import Probe
from recprune.tracing.site import Site

__all__ = ["Random"]


@dataclass(frozen=True)
class Random:
    """Uniform numbers in 0..1 from the seed and the site's name alone, whatever the model's weights.

    Blalock et al. 2020 (What is the State of Neural Network Pruning?), section 7: random pruning is the
    baseline that shows what a rule adds.
    """

    seed: int = 0

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        digest = hashlib.sha256(f"{self.seed}/{site.name}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
        return torch.rand(site.size, generator=generator, dtype=torch.float64)
