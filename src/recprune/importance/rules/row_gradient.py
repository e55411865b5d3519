"""Keep the ids that occur often and that the loss still pulls at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.passes import Batch, Gradients, gradient_passes, pieces, rows_of
from recprune.importance.probe import Probe
from recprune.importance.sweep import learnable
from recprune.importance.units import entries_of
from recprune.tracing.site import Kind, Site

__all__ = ["RowGradient"]


@dataclass(frozen=True)
class RowGradient:
    """Ids: share of the data that holds the id · mean norm of the gradient that one such row sends to its numbers.

    Lai et al. 2023 (AdaEmbed: Adaptive Embedding for Large-Scale Recommendation Models): access frequency times norm
    of the gradient, here of one model as it is and not averaged over the course of a training. The frequencies are the
    probe's counts (those of its own rows where it has none); the norms come from its rows for ids, in `passes` pieces,
    up to one more a batch, as a batch ends a piece: what several rows of one piece send to the same id is added up
    before the norm is taken. A batch whose rows cannot be parted is one piece. An id that no row of the probe holds
    gets the mean norm of the others.
    It says where training still works, not how much the loss would rise: prune with it while training, or where a
    fine-tuning follows. Raises SurveyError for other kinds, and for ids that are no input of the model.
    """

    passes: int = 256

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        if site.kind is not Kind.ID or not probe.places(site):
            raise SurveyError(
                f"site {site.name!r} of kind {site.kind} has no rows that the inputs of the model name; row_gradient "
                "scores ids alone. Take kinds={'id'}, or the rule taylor.",
                site=site.name,
                kind=site.kind,
            )
        sites = [one for one in probe.survey.sites if one.kind is Kind.ID and probe.places(one)]
        rows = probe.rows_for(Kind.ID)
        norms = probe.once(("row_gradient", self.passes), lambda: _norms(probe, sites, rows, self.passes))[site.name]
        held = _held(site, probe.places(site), rows)
        each = norms / held.clamp(min=1)
        seen = held > 0
        each[~seen] = each[seen].mean() if bool(seen.any()) else 0.0
        counts = probe.counts(site)
        counts = held if counts is None else counts
        return counts / counts.sum().clamp(min=1) * each


def _norms(probe: Probe, sites: Sequence[Site], batches: Sequence[Batch], passes: int) -> Mapping[str, Tensor]:
    """Site -> (size,) sum over the pieces of the norm of the gradient that all rows of the piece send to an id."""
    parameters = learnable(probe.model)
    total = {site.name: torch.zeros(site.size, dtype=torch.float64) for site in sites}

    def note(batch: Batch, now: Gradients) -> None:
        for site in sites:
            squares = torch.zeros(site.size, dtype=torch.float64)
            for cut in site.cuts:
                gradient = now.get(id(parameters.get(cut.tensor)))
                if gradient is not None:
                    squares += entries_of(gradient, cut, site.size).double().square().sum(1).cpu()
            total[site.name] += squares.sqrt() * rows_of(batch)

    gradient_passes(probe.model, pieces(probe.model, batches, passes), probe.criterion, note)
    return total


def _held(site: Site, places: Sequence[int], batches: Sequence[Batch]) -> Tensor:
    """(size,) how many rows of the batches hold each id; code 0 is the fall-back row's."""
    held = torch.zeros(site.size + 1, dtype=torch.float64)
    for inputs, _ in batches:
        for place in places:
            held += torch.bincount(inputs[place].flatten().cpu(), minlength=len(held))[: len(held)]
    return held[1:]
