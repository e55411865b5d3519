"""corrected: a plan whose estimated cost was checked by measurement, and chosen again where they part."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from recprune.importance.probe import Probe
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.held import inexact
from recprune.planning.measured import Counts, rise_without
from recprune.planning.plan import Plan
from recprune.tracing.site import Survey

__all__ = ["ROUNDS", "corrected"]

ROUNDS = 3
AT_MOST = 4.0
"""A round makes the scores of a site no more than this many times larger or smaller."""


def corrected(
    model: nn.Module,
    survey: Survey,
    scores: Mapping[str, Tensor],
    probe: Probe,
    budget: Budget,
    *,
    rule: str = "",
    encodings: Mapping[str, str] | None = None,
    rounds: int = ROUNDS,
    counts: Counts | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Plan:
    """Choose, measure what the choice costs, and choose again by what was found; the cheapest plan that was measured.

    Sites are scored one by one and leave together: what one loses the other may need. In each round the rise of the
    loss is measured with all that leaves, and once more for every site with that site back in its place: the
    difference is what the site really adds, and its scores are brought to it. It ends when a choice comes back.
    scores: in units of the loss (`measured`). progress: called with round, rounds, rise. Takes a measurement a site a
    round. Raises BudgetError where the budget cannot be met.
    """
    now = {name: worth.double() for name, worth in scores.items()}
    best, least, seen = None, float("inf"), set[str]()
    for number in range(rounds):
        plan = choose(survey, now, budget, rule=rule, encodings=encodings)
        print_of = repr({name: units.tobytes() for name, units in plan.kept.items()})
        if print_of in seen:
            break
        seen.add(print_of)
        leaving = {s.name: plan.leaving(s) for s in survey.sites if s.name in plan.kept}
        stored = inexact(survey, encodings or {}, plan.kept)
        rise = rise_without(model, survey, leaving, probe, counts=counts, encodings=stored)
        if progress is not None:
            progress(number + 1, rounds, rise)
        if best is None or rise < least:
            best, least = plan, rise
        if number + 1 < rounds:
            for name, units in leaving.items():
                others = {other: gone for other, gone in leaving.items() if other != name}
                adds = rise - rise_without(model, survey, others, probe, counts=counts, encodings=stored)
                now[name] = _brought_to(now[name], torch.from_numpy(units), adds)
    assert best is not None
    return best


def _brought_to(worth: Tensor, leaving: Tensor, adds: float) -> Tensor:
    """Scores by which the units that leave add up to what they really add, within limits."""
    told = float(worth[leaving].sum())
    if told > 0 and adds > 0:
        return worth * min(max(adds / told, 1 / AT_MOST), AT_MOST)
    return worth + (adds - told) / len(leaving)
