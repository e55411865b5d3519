"""SharedProbe: the batches of a probe parted among workers, whose sums are added up: the same scores on each."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from recprune.importance.passes import Batch, as_it_was, rows_of
from recprune.importance.probe import Probe
from recprune.importance.sweep import Sweep, sweep
from recprune.tracing.site import Site

__all__ = ["SharedProbe", "Workers"]


class Workers(Protocol):
    """Who has which share. total(values): the sum over all of them, the same to the bit on each."""

    rank: int
    size: int

    def total(self, values: Tensor) -> Tensor: ...


class SharedProbe(Probe):
    """A probe that each of several workers makes with the same arguments, and asks the same questions in one order.

    Worker r of N looks at the batches r, r + N, ...: at gradients, at first-order changes, at the loss (with a unit and
    without) and at that of ids. What it finds is weighed by its rows and added up, so that each worker is told what one
    alone would be, up to the order in which floats are added. Anything else, as the rows that `rows_for` gives, is that
    of all batches. A metric is asked for as a whole.
    """

    def __init__(self, workers: Workers, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._workers = workers

    def loss_of(self, model: nn.Module) -> float:
        """The mean loss over the batches of all workers."""
        if self._metric is not None:
            return super().loss_of(model)
        loss, batches = self._needed_loss(), self._batches()
        with as_it_was(model), torch.no_grad():
            found = sum(float(loss(model(*i), target)) * rows_of((i, target)) for i, target in self._mine(batches))
        return float(self._total(torch.tensor(found, dtype=torch.float64))) / max(_rows(batches), 1)

    def rise_without_ids(self, site: Site) -> Tensor:
        """As in Probe, over the rows of all workers."""
        whole = self._id_batches
        self._id_batches = self._mine(whole)
        try:
            found = super().rise_without_ids(site)
            return self._total(found * (_rows(self._id_batches) / max(_rows(whole), 1)))
        finally:
            self._id_batches = whole

    @cached_property
    def _sweep(self) -> Sweep:
        batches = self._batches()
        mine = self._mine(batches)
        found, share = sweep(self.model, self.survey, mine, self._needed_loss()), _rows(mine) / max(_rows(batches), 1)
        added = {id(g): self._total(g * share) for g in {id(g): g for g in found.gradients.values()}.values()}
        gradients = {name: added[id(gradient)] for name, gradient in found.gradients.items()}
        return Sweep(gradients, {name: self._total(worth * share) for name, worth in found.worth.items()})

    def _mine(self, batches: tuple[Batch, ...]) -> tuple[Batch, ...]:
        return batches[self._workers.rank :: self._workers.size]

    def _total(self, values: Tensor) -> Tensor:
        return self._workers.total(values)


def _rows(batches: tuple[Batch, ...]) -> int:
    return sum(rows_of(batch) for batch in batches)
