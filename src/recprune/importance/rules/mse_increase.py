"""Keep what the error would rise without: leave each unit out and measure."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.entries import weighed_inputs
from recprune.importance.probe import Probe
from recprune.tracing.site import Kind, Site

__all__ = ["MseIncrease"]


@dataclass(frozen=True)
class MseIncrease:
    """The rise of the probe's loss (or metric) when one unit alone leaves: error without it - error with it.

    Any loss or metric will do; with the mean squared error it is the classic measure of a feature (Breiman 2001,
    Random Forests, section 10, with the unit left out in place of permuted). Units are measured one at a time, one pass
    over the probe batches each; a site that takes more than `limit` forward passes is refused.

    Ids are measured all at once: a row holds one id of a column, so that the rise of the rows that hold it, when the id
    answers with the mean row of its column, is the rise without it. Of several columns, a row that holds the id in any
    of them counts. Ids that stand several in a row, or that other rows read too (lists of ids with offsets), are
    measured one at a time, with the fall-back row in their place.

    Entries of an nn.Linear are too many for that and have a closed form: when entry w_ij alone leaves, the squared
    error of output i rises by w_ij² · mean(x_j²) + 2 · w_ij · mean(r_i · x_j), r = target - output. The second term is
    zero at a minimum, so the score is w_ij² · mean(x_j²), with the mean over the rows of the probe batches; the loss
    plays no part there. It is the saliency of LeCun et al. 1990 (Optimal Brain Damage), section 2.
    Raises SurveyError where the limit does not suffice.
    """

    limit: int = 20_000

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        if site.kind is Kind.ENTRY:
            return _closed_form(site, probe)
        if site.kind is Kind.ID and probe.holds_one_id(site):
            return probe.rise_without_ids(site)
        passes = site.size * probe.passes
        if passes > self.limit:
            raise SurveyError(
                f"site {site.name!r}: {site.size:,} units over {probe.passes:,} batches take {passes:,} forward "
                f"passes, more than limit={self.limit:,}. The rule taylor estimates the same in one pass; or give "
                "fewer batches, or raise the limit.",
                site=site.name,
                passes=passes,
                limit=self.limit,
            )
        without = [probe.loss_without(site, unit) for unit in range(site.size)]
        return torch.tensor(without, dtype=torch.float64) - probe.loss


def _closed_form(site: Site, probe: Probe) -> Tensor:
    total = torch.zeros(site.size, dtype=torch.float64)
    for cut, column, _ in weighed_inputs(probe.model, site):
        squares = probe.input_squares(cut.tensor).cpu()
        total += probe.weights(cut, site.size)[:, 0].double().cpu().square() * squares[column]
    return total
