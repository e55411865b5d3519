"""One pass of gradients over the probe batches: their mean, and the first-order worth of every unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recprune.importance.passes import Batch, Gradients, Loss, as_it_was, gradient_passes, rows_of, shares
from recprune.importance.units import entries_of, fallback_of
from recprune.tracing.site import Cut, Site, Survey

__all__ = ["Answer", "Batch", "Loss", "Sweep", "as_it_was", "first_order", "learnable", "shares", "sweep"]

Answer = Callable[[Tensor, Site, Cut, frozenset[str]], Tensor | None]
"""What stands in a tensor when a unit has left: (1 or size, entries), or None where zero does."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """gradients: parameter -> mean gradient over the rows, in the parameter's shape.
    worth: site -> (size,) mean over the batches, which count by their rows, of
    |sum of gradient · (w - what stands there afterwards)|.
    """

    gradients: Mapping[str, Tensor]
    worth: Mapping[str, Tensor]


def sweep(model: nn.Module, survey: Survey, batches: Sequence[Batch], loss: Loss) -> Sweep:
    """Forward and backward once a batch. Parameters that are frozen are asked too; nothing of the model changes."""
    parameters = learnable(model)
    total = {id(p): torch.zeros_like(p, dtype=_wide(p)) for p in parameters.values()}
    worth = {site.name: torch.zeros(site.size, dtype=torch.float64) for site in survey.sites}
    rows = sum(rows_of(batch) for batch in batches)

    def note(batch: Batch, now: Gradients) -> None:
        share = rows_of(batch) / max(rows, 1)
        for key, gradient in now.items():
            total[key] += gradient * share
        for site in survey.sites:
            worth[site.name] += first_order(site, parameters, now, survey.features).abs() * share

    gradient_passes(model, batches, loss, note)
    return Sweep({name: total[id(p)] for name, p in parameters.items()}, worth)


def learnable(model: nn.Module) -> dict[str, Tensor]:
    """Name -> parameter, of those that hold floating numbers, one under every name that it has."""
    return {n: p for n, p in model.named_parameters(remove_duplicate=False) if p.is_floating_point()}


def first_order(
    site: Site,
    parameters: Mapping[str, Tensor],
    gradients: Gradients,
    features: frozenset[str],
    answer: Answer = fallback_of,
) -> Tensor:
    """(size,) sum of gradient · (w - w afterwards) over everything learnable that leaves with a unit."""
    out = torch.zeros(site.size, dtype=torch.float64)
    for cut in site.cuts:
        parameter = parameters.get(cut.tensor)
        gradient = None if parameter is None else gradients.get(id(parameter))
        if parameter is None or gradient is None:
            continue
        weights = entries_of(parameter.detach(), cut, site.size)
        afterwards = answer(parameter.detach(), site, cut, features)
        change = weights if afterwards is None else weights - afterwards
        out += (entries_of(gradient, cut, site.size) * change).sum(1, dtype=torch.float64).cpu()
    return out


def _wide(tensor: Tensor) -> torch.dtype:
    """Half precision is summed in single."""
    return torch.promote_types(tensor.dtype, torch.float32)
