"""Keep what no other one can stand in for: filters near the middle of all filters leave first."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.tracing.site import Kind, Site

__all__ = ["Fpgm"]


@dataclass(frozen=True)
class Fpgm:
    """Filters and neurons: the mean distance ‖w_u - w_v‖ to all others, w the numbers by which a unit is made.

    The unit of the smallest sum of distances is nearest to the geometric median, and the others can stand in for it:
    He et al. 2019 (Filter Pruning via Geometric Median), section 3.3. w are the rows of the matrices and kernels of the
    unit, without biases and norms. Distances compare inside a site; they are no estimate of a loss, so prune sites
    that are alike. No data is looked at. Raises SurveyError for other kinds, for a unit that no matrix makes, and for
    more than `limit` units.
    """

    limit: int = 10_000

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        if site.kind not in (Kind.FILTER, Kind.NEURON):
            raise SurveyError(
                f"site {site.name!r} is of kind {site.kind}: the geometric median is of filters and neurons; take "
                "kinds={'filter', 'neuron'}, or the rule magnitude",
                site=site.name,
                kind=site.kind,
            )
        if site.size > self.limit:
            raise SurveyError(
                f"site {site.name!r}: the distances of {site.size:,} units to one another are more than "
                f"limit={self.limit:,} units allow; take magnitude, or raise the limit",
                site=site.name,
                limit=self.limit,
            )
        made = _made_of(site, probe)
        return torch.cdist(made, made, compute_mode="donot_use_mm_for_euclid_dist").mean(1)


def _made_of(site: Site, probe: Probe) -> Tensor:
    """(size, numbers) the rows of every matrix that makes the units."""
    shapes = {name: parameter.dim() for name, parameter in probe.model.named_parameters(remove_duplicate=False)}
    rows = [
        probe.weights(cut, site.size).double().cpu()
        for cut in site.cuts
        if cut.dim == 0 and shapes.get(cut.tensor, 0) > 1
    ]
    if not rows:
        raise SurveyError(
            f"site {site.name!r}: these units are rows of no matrix, so that they have no place among each other; "
            "score it by taylor or magnitude",
            site=site.name,
        )
    return torch.cat(rows, 1)
