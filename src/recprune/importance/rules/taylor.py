"""Keep what the loss would miss, to first order: one backward pass scores every unit of every kind."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recprune.importance.probe import Probe
from recprune.tracing.site import Site

__all__ = ["Taylor"]


@dataclass(frozen=True)
class Taylor:
    """Mean over the probe batches of |sum of g · (w - w afterwards)| over everything learnable that leaves.

    w afterwards is the fallback row's number for an id that has one, otherwise 0. Molchanov et al. 2019 (Importance
    Estimation for Neural Network Pruning), section 3: the first-order criterion of a group, in absolute value instead
    of squared; an answer that is not zero as in F-Permutation (Zhang et al. 2023, SHARK). A unit that stands between
    two tensors (a neuron: its row in, its column out) counts the effect once in each.
    """

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        return probe.taylor(site)
