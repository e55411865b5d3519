"""sketch(): the plan for a budget and what it is estimated to cost, from what was scored before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.joint import Step, by_estimate
from recprune.planning.plan import Plan
from recprune.recipe.decide import entries_alone
from recprune.studio.scored import Scored
from recprune.tracing.site import FLAT, Survey

__all__ = ["Sketch", "estimated", "sketch"]


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """A plan. rise: of the loss before any fine-tuning, by the sum of what leaves; None where that was not measured."""

    plan: Plan
    rise: float | None


def sketch(found: Survey, scored: Scored, budget: Budget, steps: Sequence[Step] | None = None) -> Sketch:
    """The cheapest plan by its estimate.

    steps: what can be stored in fewer bits, for a budget in bytes (`steps_of`); None stores what stays as floats. It is
    the first of the plans that `recprune plan` looks at, before those are measured and corrected. Raises BudgetError
    where the budget cannot be met.
    """
    if budget.bytes is None or steps is None:
        return estimated(choose(found, scored.scores, budget, rule=scored.rule), scored)
    if entries_alone(found, None):
        flat = [cut.tensor for site in found.sites for cut in site.cuts if cut.dim == FLAT]
        stored = dict.fromkeys(flat, "item_bytes")
        return estimated(choose(found, scored.scores, budget, rule=scored.rule, encodings=stored), scored)
    worth = scored.scores if scored.worth is None else scored.worth
    rise, plan = by_estimate(found, worth, budget, steps, rule=scored.rule)[0]
    return Sketch(plan, None if scored.worth is None else rise)


def estimated(plan: Plan, scored: Scored) -> Sketch:
    """A plan with what it is estimated to cost."""
    if scored.worth is None:
        return Sketch(plan, None)
    return Sketch(plan, sum(float(scored.worth[n][plan.leaving(plan.survey.site(n))].sum()) for n in plan.kept))
