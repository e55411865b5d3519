"""Budgets that have to be measured: the least that must leave for some milliseconds, the most for an allowed loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.errors import BudgetError
from recprune.evaluation.inputs import example
from recprune.evaluation.timing import timed
from recprune.importance.score import Rule
from recprune.packing import pack, storing
from recprune.planning.budget import Budget, MaxDrop
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.recipe.frontier import ENCODINGS, FACTORS, Point, points, share_lost
from recprune.recipe.pruned import Pruned, smaller
from recprune.recipe.restrict import restrict
from recprune.recipe.stages import Stage, silent
from recprune.surgery import renumber
from recprune.tracing.site import Survey
from recprune.training.fit import FitOptions

__all__ = ["fastest", "timed_plan", "within_drop"]

TRIES = 7
"""Halvings of the share of work that leaves."""

SURE = 5
"""A plan that seems fast enough is timed again; up to so many steps further are taken where it was luck."""


def timed_plan(
    model: nn.Module,
    split: Split,
    found: Survey,
    scores: Mapping[str, Tensor],
    budget: Budget,
    *,
    rule: str = "",
    stage: Stage = silent,
) -> tuple[Plan, float, float]:
    """The plan that takes least and is measured to take no more than `budget.milliseconds`, here, on one thread; and
    the milliseconds that a call took before and takes by it.

    Smaller models are made and timed on real inputs, halving the share of the multiply-adds that leaves. The median of
    a second timing must hold too. Raises BudgetError with the fastest that was found where none is fast enough.
    """
    limit = budget.milliseconds or 0.0
    whole = _milliseconds(model, split, budget, None)
    if whole <= limit:
        return Plan(found, {}, budget, rule), whole, whole
    with stage("time") as say:
        low, high = 0.0, _reach(found, scores, budget, rule)
        plan = choose(found, scores, budget, rule=rule, work=high)
        least = _milliseconds(model, split, budget, plan)
        if least > limit:
            raise _too_slow(budget, least)
        best, most = plan, high
        for _ in range(TRIES):
            middle = (low + high) / 2
            plan = choose(found, scores, budget, rule=rule, work=middle)
            taken = _milliseconds(model, split, budget, plan)
            say(f"{middle:.0%} of the work removed: {taken:.3g} ms")
            low, high, best = (low, middle, plan) if taken <= limit else (middle, high, best)
        taken = _milliseconds(model, split, budget, best)
        for step in range(1, SURE + 1):
            if taken <= limit:
                break
            best = choose(found, scores, budget, rule=rule, work=high + (most - high) * step / SURE)
            taken = _milliseconds(model, split, budget, best)
        if taken > limit:
            raise _too_slow(budget, taken)
    return best, whole, taken


def _too_slow(budget: Budget, least: float) -> BudgetError:
    return BudgetError(
        f"{budget.amount} cannot be met here: the smallest plan takes {least:.3g} ms. Allow more kinds, a "
        "lower keep or floor, or more milliseconds",
        milliseconds=budget.milliseconds,
        reachable=least,
    )


def fastest(
    model: nn.Module, split: Split, found: Survey, scores: Mapping[str, Tensor], budget: Budget, *, rule: str = ""
) -> tuple[float, float]:
    """Milliseconds of a call with `budget.rows` rows, here: of the model as it is, and of the smallest that `budget`
    leaves of it. What is asked in milliseconds lies between them."""
    plan = choose(found, scores, budget, rule=rule, work=_reach(found, scores, budget, rule))
    return _milliseconds(model, split, budget, None), _milliseconds(model, split, budget, plan)


def within_drop(
    model: nn.Module,
    split: Split,
    budget: Budget,
    *,
    encodings: Sequence[str] = ENCODINGS,
    rule: str | Rule | None = None,
    options: FitOptions | None = None,
    distilled: bool = False,
    folder: Path | None = None,
    seed: int = 0,
    stage: Stage = silent,
) -> Pruned:
    """The smallest model in bytes that loses no more of a metric on validation than `budget.max_drop` allows.

    Pruned in steps (`frontier`), each fine-tuned, until the metric has fallen too far; every step is tried as floats
    and stored in fewer bits. folder: holds the model of each step; a run that was stopped goes on there.
    Raises BudgetError where even the first step loses more, whatever it is stored by.
    """
    asked = budget.max_drop or MaxDrop("", 0.0)
    dense: Point | None = None
    best: tuple[Point, Pruned] | None = None
    least = float("inf")
    for point, pruned in points(
        model,
        split,
        budget=budget,
        factors=None,
        encodings=encodings,
        rule=rule,
        options=options,
        distilled=distilled,
        folder=folder,
        seed=seed,
        stage=stage,
    ):
        if dense is None:
            dense = point
        lost = share_lost(point, dense, asked.metric)
        if pruned is not None:
            least = min(least, lost)
            if lost <= asked.share and (best is None or point.bytes < best[0].bytes):
                best = point, pruned
            if lost > asked.share and not point.encoding:
                break
    if best is None:
        raise BudgetError(
            f"{asked} cannot be met: with {FACTORS[0]:.0%} of the parameters removed it is already {least:.3g} of it "
            "lower. Fine-tune for more epochs, or allow more loss",
            max_drop=asked,
            reachable=least,
        )
    return _stored(best[1], best[0].encoding, budget, split)


def _stored(pruned: Pruned, name: str, budget: Budget, split: Split) -> Pruned:
    """The model packed, and the plan that says so."""
    chosen = replace(pruned.plan, budget=budget)
    if not name:
        return replace(pruned, plan=chosen)
    ways = storing(pruned.model, name)
    batch = example(pruned.model, restrict(split, pruned.renumber))
    stored = replace(chosen, encodings={**chosen.encodings, **ways})
    return replace(pruned, model=pack(pruned.model, ways, batch), plan=stored)


def _reach(found: Survey, scores: Mapping[str, Tensor], budget: Budget, rule: str) -> float:
    """The largest share of the work that can leave."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        try:
            choose(found, scores, budget, rule=rule, work=middle)
            low = middle
        except BudgetError:
            high = middle
    return low


def _milliseconds(model: nn.Module, split: Split, budget: Budget, plan: Plan | None) -> float:
    """Median of a call of the smaller model."""
    if plan is None or not plan.kept:
        return timed({"model": model}, split, rows=budget.rows)["model"].median
    made, _ = smaller(model, plan, example(model, split), split.vocabularies, split)
    return timed({"model": made}, restrict(split, renumber(plan)), rows=budget.rows)["model"].median
