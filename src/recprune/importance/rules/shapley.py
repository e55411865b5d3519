"""Keep what adds most to whatever else is there: units that say the same share what they are worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.means import inputs_at_their_mean, no_mean, read_means, rows_at_their_mean
from recprune.importance.probe import Probe
from recprune.tracing.site import Kind, Site

__all__ = ["Shapley"]


@dataclass(frozen=True)
class Shapley:
    """The Shapley value of a unit in the game whose players are the units, and whose worth is the fall of the loss.

    Mean over `orders` random orders of the rise of the loss when the unit leaves after those before it in the order.
    Who has left says its mean to every row: a field the mean row of its table, a unit that linear layers read its mean
    input; so nothing is lost by leaving but what tells rows apart. Fields play with all fields that hold rows of their
    own, units of another site with the units of that site. Values of a game add up to the rise when all have left, in
    every order, so that they are exact for units that do not touch each other and shared by units that say the same
    (of which one-by-one measures find each worthless while the other is there).

    Covert et al. 2020 (Understanding Global Feature Contributions With Additive Importance Measures: SAGE), with the
    mean in the place of what leaves as in Tran et al. 2025 (Shaver, arXiv 2411.13052); orders drawn as in Castro et al.
    2009 (Polynomial Calculation of the Shapley Value Based on Sampling), each followed by its reverse, which cancels
    what an early place gives and a late one takes (Mitchell et al. 2022, antithetic sampling).
    Takes orders * units * batches forward passes; a game above `limit` is refused with SurveyError, as are ids, entries
    and what no linear layer reads.
    """

    orders: int = 8
    seed: int = 0
    limit: int = 20_000

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        if site.kind is Kind.FIELD:
            players = [(one, 0) for one in probe.survey.sites if one.kind is Kind.FIELD and _held(one, probe)]
            if (site, 0) not in players:
                raise no_mean(site, "no table holds its rows")
            worth = probe.once(("shapley", self), lambda: self._values(players, probe, site))
            return worth[players.index((site, 0))].reshape(1).clone()
        if site.kind in (Kind.ID, Kind.ENTRY):
            raise no_mean(site, "not only linear layers read it")
        read_means(site, probe)
        return self._values([(site, unit) for unit in range(site.size)], probe, site)

    def _values(self, players: list[tuple[Site, int]], probe: Probe, asked: Site) -> Tensor:
        passes = self.orders * len(players) * probe.passes
        if passes > self.limit:
            raise SurveyError(
                f"site {asked.name!r}: {self.orders} orders of {len(players):,} units over {probe.passes:,} batches "
                f"take {passes:,} forward passes, more than limit={self.limit:,}; ask for fewer orders or batches, "
                "raise the limit, or take taylor",
                site=asked.name,
                limit=self.limit,
            )
        rng, total = np.random.default_rng(self.seed), torch.zeros(len(players), dtype=torch.float64)
        order = np.arange(len(players))
        for number in range(self.orders):
            order = rng.permutation(len(players)) if number % 2 == 0 else order[::-1]
            with ExitStack() as gone:
                before = probe.loss
                for player in order.tolist():
                    gone.enter_context(_at_its_mean(*players[player], probe))
                    after = probe.loss_of(probe.model)
                    total[player] += after - before
                    before = after
        return total / self.orders


@contextmanager
def _at_its_mean(site: Site, unit: int, probe: Probe) -> Iterator[None]:
    if site.kind is Kind.FIELD:
        with rows_at_their_mean(probe.model, probe.survey, site, probe.column_counts(site.column or "")):
            yield
        return
    with inputs_at_their_mean(probe.model, site, unit, read_means(site, probe)):
        yield


def _held(site: Site, probe: Probe) -> bool:
    return any(cut.tensor in probe.survey.features for cut in site.cuts)
