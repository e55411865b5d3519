"""Budgets that have to be measured, milliseconds and an allowed loss: what they can be, and the plan that meets one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from recprune.data.dataset import Split
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.formulas import LOWER_IS_BETTER
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.frontier import ENCODINGS
from recprune.recipe.meet import fastest, timed_plan, within_drop
from recprune.recipe.stages import Stage, silent
from recprune.studio.measured import Made
from recprune.studio.scored import Scored
from recprune.tracing.site import Survey
from recprune.training.options import FitOptions

__all__ = ["Goal", "Sought", "drops_of", "fast", "times_of", "within"]

WIDEST = 0.2
"""The largest share of a metric that a slider offers to lose."""
GUESSING = 0.5
"""The AUC of who guesses: a budget below it asks for nothing."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What was asked for, measured before and after."""

    name: str
    before: float
    after: float


@dataclass(frozen=True, slots=True, eq=False)
class Sought:
    """The plan that meets a budget. made: the model, where it had to be trained to know."""

    plan: Plan
    goal: Goal
    made: Made | None = None


def times_of(
    model: nn.Module, split: Split, found: Survey, scored: Scored, budget: Budget, *, stage: Stage = silent
) -> dict[str, Any]:
    """What a budget in milliseconds can be: of the model as it is, and of the smallest, timed here on one thread."""
    with stage("time") as say:
        now, least = fastest(model, split, found, scored.scores, budget, rule=scored.rule)
        say(f"{now:.3g} ms now, {least:.3g} ms at the least")
    return {"now": now, "least": least}


def drops_of(model: nn.Module, split: Split, *, stage: Stage = silent) -> dict[str, Any]:
    """Metrics of the model on validation, the usual one first, and the largest share of each that is worth asking."""
    with stage("judge on validation"):
        mean = evaluate(model, split, "valid").mean
    there = {name: value for name, value in mean.items() if value}
    first = next((n for n in there if n.startswith(("ndcg", "auc", "rmse"))), None)
    names = [*(n for n in there if n == first), *(n for n in there if n != first)]
    return {
        "metrics": [
            {"name": name, "value": there[name], "most": _most(name, there[name]), "falls": name not in LOWER_IS_BETTER}
            for name in names
        ]
    }


def fast(
    model: nn.Module, split: Split, found: Survey, scored: Scored, budget: Budget, *, stage: Stage = silent
) -> Sought:
    """The plan for a budget in milliseconds, as `recprune plan --ms` finds it. Raises BudgetError."""
    plan, before, after = timed_plan(model, split, found, scored.scores, budget, rule=scored.rule, stage=stage)
    return Sought(plan, Goal("milliseconds", before, after))


def within(
    model: nn.Module,
    split: Split,
    rule: str,
    budget: Budget,
    options: FitOptions,
    *,
    bits: bool = True,
    seed: int = 0,
    stage: Stage = silent,
) -> Sought:
    """The smallest model that loses no more than is allowed, as `recprune run --max-drop` finds it, fine-tuned.

    options: of all its steps together. Raises BudgetError.
    """
    asked, ways = budget.max_drop, ENCODINGS if bits else ()
    small = within_drop(model, split, budget, encodings=ways, rule=rule, options=options, seed=seed, stage=stage)
    name = asked.metric if asked else ""
    with stage("judge on validation"):
        before = evaluate(model, split, "valid").mean[name]
        after = evaluate(small.model, split, "valid", renumber=small.renumber or None).mean[name]
    return Sought(small.plan, Goal(name, before or 0.0, after or 0.0), Made(small, options))


def _most(name: str, value: float) -> float:
    most = 1 - GUESSING / value if name == "auc" and value > GUESSING else WIDEST
    return round(min(most, WIDEST), 3)
