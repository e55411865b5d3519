"""The batches of a probe in shares: what the workers find adds up to what one finds."""

import pytest
import torch
from torch import Tensor

from recprune.importance.probe import Probe
from recprune.importance.rules.gradient import Gradient
from recprune.importance.rules.mse_increase import MseIncrease
from recprune.importance.rules.taylor import Taylor
from recprune.importance.shared import SharedProbe
from recprune.testing.cases import tiny_cases
from recprune.tracing.site import Kind

CASES = [case for case in tiny_cases() if any(site.kind not in (Kind.ID, Kind.ENTRY) for site in case.survey.sites)]


class Keeping:
    """A worker that keeps what it adds, and is told the sums of an earlier round: what all workers kept."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size, self.kept, self.sums = rank, size, [], None

    def total(self, values: Tensor) -> Tensor:
        self.kept.append(values.clone())
        return values if self.sums is None else self.sums[len(self.kept) - 1].clone()


def scored(rule, case, size):
    """What every worker scores the first site that is no id of a case by, where each is told the sums of all."""
    workers = [Keeping(rank, size) for rank in range(size)]
    site = next(s for s in case.survey.sites if s.kind not in (Kind.ID, Kind.ENTRY))

    def asked():
        probes = [SharedProbe(w, case.model, case.survey, case.batches, case.loss, case.counts) for w in workers]
        return [rule(site, probe) for probe in probes]

    asked()
    sums = [torch.stack(parts).sum(0) for parts in zip(*(w.kept for w in workers), strict=True)]
    for worker in workers:
        worker.kept, worker.sums = [], sums
    return site, asked()


@pytest.mark.parametrize("rule", [Taylor(), Gradient(), MseIncrease()], ids=["taylor", "gradient", "mse_increase"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_shares_add_up_to_the_whole(case, rule):
    size = len(case.batches) + 1  # one of them has nothing to look at
    site, found = scored(rule, case, size)
    wanted = rule(site, Probe(case.model, case.survey, case.batches, case.loss, case.counts))
    assert all(torch.equal(one, found[0]) for one in found)
    torch.testing.assert_close(found[0].double(), wanted.double(), rtol=1e-5, atol=1e-7)


def test_a_metric_is_asked_for_as_a_whole():
    case, worker = tiny_cases()[0], Keeping(1, 2)
    probe = SharedProbe(worker, case.model, case.survey, case.batches, case.loss, metric=lambda model: 0.25)
    assert probe.loss == 0.25
    assert worker.kept == []
