"""rate(): what every unit of a model is worth, found once for any number of budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.errors import BudgetError
from recprune.evaluation.inputs import example
from recprune.importance.probe import Probe
from recprune.importance.score import Rule, spelled
from recprune.planning.budget import Budget
from recprune.planning.corrected import ROUNDS
from recprune.planning.joint import ENCODINGS as BITS
from recprune.planning.measured import measured
from recprune.planning.plan import Plan
from recprune.recipe.decide import decide, entries_alone
from recprune.recipe.meet import timed_plan
from recprune.recipe.probing import as_asked, code_counts, probe, rated
from recprune.recipe.pruned import as_rule, followed, usual_rule
from recprune.recipe.recovery import recovered, recovery, recovery_of_bits
from recprune.recipe.stages import Stage, silent
from recprune.recipe.weighing import weighed
from recprune.tracing.site import Survey
from recprune.tracing.trace import survey
from recprune.training.options import FitOptions
from recprune.training.together import Alone

__all__ = ["Ratings", "choose_by", "rate"]


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """found: the survey; scores: of its sites, in one currency where several compete; asked: the probe they come from;
    counts: how often each code occurs. left: what an epoch leaves of the cost of bits. tuned: whether the scores are of
    after fine-tuning. rule: spelled."""

    found: Survey
    scores: Mapping[str, Tensor]
    asked: Probe
    counts: Mapping[str, NDArray[Any]]
    left: float
    tuned: bool
    rule: str


def rate(
    model: nn.Module,
    split: Split,
    budget: Budget,
    *,
    rule: str | Rule | None = None,
    encodings: Sequence[str] | None = None,
    tuning: FitOptions | None = None,
    seed: int = 0,
    stage: Stage = silent,
    workers: Alone | None = None,
) -> Ratings:
    """Survey and score. The arguments are those of `plan`; all of the budget counts but how much."""
    workers = workers or Alone()
    with stage("survey") as say:
        found = survey(model, example(model, split))
        open_ = followed(found, split)
        say(f"{len(open_.sites)} site{'s' if len(open_.sites) != 1 else ''}")
    rule = as_rule(rule or usual_rule(open_, budget), seed)
    with stage("score") as say:
        there = as_asked(model, split, seed=seed)
        asked = probe(there, found, split, seed=seed, workers=workers)
        scores = rated(
            model,
            open_,
            rule,
            asked,
            split,
            kinds=budget.kinds,
            seed=seed,
            progress=lambda done, n, site: say(f"{site}, {done}/{n}"),
        )
        scores = {name: workers.same(worth) for name, worth in scores.items()}
        say(spelled(rule).rpartition(":")[2])
    counts, of_bits = code_counts(split), 1.0
    trying: dict[str, Any] = {"options": tuning, "seed": seed, "stage": stage, "workers": workers}
    if len(scores) > 1:
        with stage("measure") as say:
            scores = measured(
                there, found, scores, asked, counts=counts, progress=lambda d, n, site: say(f"{site}, {d}/{n}")
            )
        if tuning is not None:
            shares = recovery(there, split, found, scores, asked, counts=counts, **trying)
            scores = recovered(found, scores, shares)
    bits = budget.bytes is not None and (encodings is None or bool(encodings))
    if bits and tuning is not None and not entries_alone(found, encodings):
        ways = BITS if encodings is None else encodings
        of_bits = recovery_of_bits(there, split, found, asked, ways, **trying)
    return Ratings(found, scores, asked, counts, of_bits, tuning is not None, spelled(rule))


def choose_by(
    ratings: Ratings,
    model: nn.Module,
    split: Split,
    budget: Budget,
    *,
    encodings: Sequence[str] | None = None,
    tuning: FitOptions | None = None,
    seed: int = 0,
    stage: Stage = silent,
    workers: Alone | None = None,
) -> Plan:
    """The plan for a budget like the one that was rated for: in bytes, milliseconds or by a factor as that was.

    tuning: of the fine-tuning that is to follow: plans that weigh the kinds of unit otherwise are tried for an epoch of
    it (`weighed`); None takes the scores as they are. Raises BudgetError where the budget cannot be met.
    """
    workers, found, scores = workers or Alone(), ratings.found, ratings.scores
    if budget.milliseconds is not None:
        if encodings:
            raise BudgetError(f"{budget.amount} is met by cuts alone; pack the result with recprune.pack")
        quick = timed_plan(model, split, found, scores, budget, rule=ratings.rule, stage=stage)[0]
        return _agreed(quick, workers)

    def estimated(scores: Mapping[str, Tensor], bits: float, stage: Stage = silent) -> Plan:
        return decide(
            model,
            found,
            scores,
            ratings.asked,
            budget,
            rule=ratings.rule,
            encodings=encodings,
            rounds=1 if ratings.tuned else ROUNDS,
            counts=ratings.counts,
            left=ratings.left * bits,
            stage=stage,
        )

    chosen = estimated(scores, 1.0, stage)
    if tuning is not None and ratings.tuned:
        chosen = weighed(
            model,
            split,
            chosen,
            scores,
            ratings.asked,
            estimated,
            options=tuning,
            seed=seed,
            stage=stage,
            workers=workers,
        )
    return _agreed(chosen, workers)


def _agreed(chosen: Plan, workers: Alone) -> Plan:
    """The plan of the first worker."""
    return chosen if workers.size == 1 else Plan.from_json(workers.agreed(chosen.to_json()))
