"""Keep what tells rows apart: a unit that says its mean to everybody costs a constant and no parameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.entries import weighed_inputs
from recprune.importance.means import by_mean_row, inputs_at_their_mean, no_mean, read_means, rows_at_their_mean
from recprune.importance.passes import Batch, Gradients, gradient_passes, rows_of
from recprune.importance.probe import Probe
from recprune.importance.sweep import first_order, learnable
from recprune.tracing.site import Kind, Site

__all__ = ["FieldMean"]


@dataclass(frozen=True)
class FieldMean:
    """The rise of the loss when a unit says its mean over the data to every row, measured.

    Fields: all rows of the field hold the mean row of its table. Ids: the mean row answers for the id. Units that
    linear layers read: these read the mean. Means over ids weigh them by the probe's counts. Entries (i, j) of a linear
    layer: w_ij² · variance(x_j), the rise of the squared error of output i at a minimum, in closed form.
    Zhang et al. 2023 (SHARK), F-Permutation, and Shaver (WWW 2025) put the field's mean in the place of what leaves; a
    unit that hardly varies then costs nothing, though its size may be large. Plan with it where the mean is kept: ids
    share the mean row anyway, and `compensate` moves the mean of a neuron into the bias of the next layer.

    first_order: fields and ids by one backward pass a batch, mean over the batches of |sum of g · (w - mean row)|
    (F-Permutation, with the rows of a batch added up before the size is taken).
    One pass over the batches a unit otherwise; a site that takes more than `limit` forward passes is refused, as is one
    whose mean is not known: raises SurveyError.
    """

    first_order: bool = False
    limit: int = 20_000

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        if site.kind is Kind.ENTRY and not self.first_order:
            return _entries(site, probe)
        if site.kind in (Kind.FIELD, Kind.ID) and not _looked_up(site, probe):
            raise no_mean(site, "no table holds its rows")
        if self.first_order:
            return _estimated(site, probe)
        if site.kind is Kind.ID:
            if not probe.holds_one_id(site):
                raise no_mean(site, "its column is no input that holds one id a row, read by that row alone")
            return probe.rise_without_ids(site)
        if site.kind is Kind.FIELD:
            before = probe.loss
            with rows_at_their_mean(probe.model, probe.survey, site, _counts(site, probe)):
                rise = probe.loss_of(probe.model) - before
            return torch.tensor([rise], dtype=torch.float64)
        return self._units(site, probe)

    def _units(self, site: Site, probe: Probe) -> Tensor:
        if site.size * probe.passes > self.limit:
            raise SurveyError(
                f"site {site.name!r}: {site.size:,} units over {probe.passes:,} batches take more than "
                f"limit={self.limit:,} forward passes; give fewer batches, raise the limit, or take taylor",
                site=site.name,
                limit=self.limit,
            )
        means, before, rises = read_means(site, probe), probe.loss, []
        for unit in range(site.size):
            with inputs_at_their_mean(probe.model, site, unit, means):
                rises.append(probe.loss_of(probe.model) - before)
        return torch.tensor(rises, dtype=torch.float64)


def _looked_up(site: Site, probe: Probe) -> bool:
    tables = [cut for cut in site.cuts if cut.tensor in probe.survey.features]
    return any(cut.dim == 0 or site.kind is Kind.FIELD for cut in tables)


def _counts(site: Site, probe: Probe) -> Tensor | None:
    """How often each row of the site's table occurs."""
    return probe.column_counts(site.column or "") if site.kind is Kind.FIELD else probe.counts(site)


def _entries(site: Site, probe: Probe) -> Tensor:
    total = torch.zeros(site.size, dtype=torch.float64)
    for cut, column, _ in weighed_inputs(probe.model, site):
        variance = (probe.input_squares(cut.tensor) - probe.input_means(cut.tensor).square()).clamp(min=0).cpu()
        total += probe.weights(cut, site.size)[:, 0].double().cpu().square() * variance[column]
    return total


def _estimated(site: Site, probe: Probe) -> Tensor:
    if site.kind not in (Kind.FIELD, Kind.ID):
        raise no_mean(site, "the first-order estimate is of fields and ids")
    of_ids = site.kind is Kind.ID
    batches = probe.rows_for(site.kind)
    sites = [s for s in probe.survey.sites if s.kind is site.kind and _looked_up(s, probe)]

    def estimate() -> dict[str, Tensor]:
        parameters, rows = learnable(probe.model), sum(rows_of(batch) for batch in batches)
        worth = {one.name: torch.zeros(one.size, dtype=torch.float64) for one in sites}
        answers = {one.name: by_mean_row(_counts(one, probe)) for one in sites}

        def note(batch: Batch, now: Gradients) -> None:
            for one in sites:
                change = first_order(one, parameters, now, probe.survey.features, answers[one.name])
                worth[one.name] += change.abs() * rows_of(batch) / rows

        gradient_passes(probe.model, batches, probe.criterion, note)
        return worth

    return probe.once(("field_mean", of_ids), estimate)[site.name]
