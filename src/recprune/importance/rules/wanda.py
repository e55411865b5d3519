"""Keep weights that meet large inputs: a small weight on a loud input counts for more than a large one on silence."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.consumers import input_cuts, output_cuts
from recprune.importance.entries import weighed_inputs
from recprune.importance.probe import Probe
from recprune.tracing.site import Cut, Kind, Site

__all__ = ["Wanda"]


@dataclass(frozen=True)
class Wanda:
    """Sum of (|w_ij| · ‖x_j‖)^p, ‖x_j‖ the root mean square of input j over the rows of the probe batches.

    Entries (i, j) of a linear layer: the one product. Other units: over the columns that they are in the layers that
    read them, which with p = 2 is the mean square by which the outputs of those layers change without the unit; where
    no linear layer reads them, over the rows that make them. What a unit does elsewhere (a product of factors, a
    residual) is not seen. With p = 1 an entry scores as in Sun et al. 2024 (A Simple and Effective Pruning Approach for
    Large Language Models), section 3, equation 1; the order of entries is the same for every p.
    Raises SurveyError for p that is not above 0, and for a site that meets no linear layer.
    """

    p: float = 2.0

    def __post_init__(self) -> None:
        if not self.p > 0:
            raise SurveyError(f"p is the power of |w| · |x|, a number above 0; got {self.p!r}", p=self.p)

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        if site.kind is Kind.ENTRY:
            return self._of_entries(site, probe)
        columns = [cut for cut, _ in input_cuts(probe.model, site)]
        rows = [cut for cut, _ in output_cuts(probe.model, site)]
        if not (columns or rows):
            raise SurveyError(
                f"site {site.name!r}: no nn.Linear reads or makes these units, so that there is no input to weigh "
                "by; score it by taylor, fisher or magnitude",
                site=site.name,
            )
        found = [self._of_columns(cut, site, probe) for cut in columns] or [self._of_rows(c, site, probe) for c in rows]
        return torch.stack(found).sum(0)

    def _of_entries(self, site: Site, probe: Probe) -> Tensor:
        total = torch.zeros(site.size, dtype=torch.float64)
        for cut, column, _ in weighed_inputs(probe.model, site):
            sizes = _sizes(cut, site, probe)[column]
            total += (probe.weights(cut, site.size)[:, 0].double().cpu().abs() * sizes).pow(self.p)
        return total

    def _of_columns(self, cut: Cut, site: Site, probe: Probe) -> Tensor:
        sizes = _sizes(cut, site, probe)
        mine = sizes[cut.start : cut.start + site.size * cut.width].reshape(site.size, cut.width, 1)
        weights = probe.weights(cut, site.size).double().cpu().abs().reshape(site.size, cut.width, -1)
        return (weights * mine).pow(self.p).sum((1, 2))

    def _of_rows(self, cut: Cut, site: Site, probe: Probe) -> Tensor:
        sizes = _sizes(cut, site, probe)
        weights = probe.weights(cut, site.size).double().cpu().abs().reshape(site.size, cut.width, -1)
        return (weights * sizes).pow(self.p).sum((1, 2))


def _sizes(cut: Cut, site: Site, probe: Probe) -> Tensor:
    """(inputs,) the root mean square of what reaches the layer."""
    try:
        return probe.input_squares(cut.tensor).cpu().sqrt()
    except SurveyError as error:
        raise SurveyError(f"site {site.name!r}: {error}", site=site.name, tensor=cut.tensor) from error
