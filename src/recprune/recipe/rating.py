"""rate(): what every unit of a model is worth, found once for any number of budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.errors import BudgetError
from recprune.evaluation.inputs import example, ranks
from recprune.importance.probe import Probe
from recprune.importance.rules.frequency import Frequency
from recprune.importance.score import Rule, score, spelled
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
from recprune.tracing.site import Kind, Survey
from recprune.tracing.trace import survey
from recprune.training.options import FitOptions
from recprune.training.together import Alone

__all__ = ["Ratings", "choose_by", "rate"]


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """found: the survey; scores: of its sites, in one currency where several compete; asked: the probe they come from;
    counts: how often each code occurs. left: what an epoch leaves of the cost of bits. tuned: whether the scores are of
    after fine-tuning. rare: what ids are worth by how often they occur, before fine-tuning; none where no plans are
    tried. rule: spelled."""

    found: Survey
    scores: Mapping[str, Tensor]
    asked: Probe
    counts: Mapping[str, NDArray[Any]]
    left: float
    tuned: bool
    rare: Mapping[str, Tensor]
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
    _known_sites(found, budget)
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
    counts, of_bits, rare = code_counts(split), 1.0, dict[str, Tensor]()
    trying: dict[str, Any] = {"options": tuning, "seed": seed, "stage": stage, "workers": workers}
    if len(scores) > 1:
        with stage("measure") as say:
            scores = measured(
                there, found, scores, asked, counts=counts, progress=lambda d, n, site: say(f"{site}, {d}/{n}")
            )
        if tuning is not None:
            shares = recovery(there, split, found, scores, asked, counts=counts, **trying)
            scores = recovered(found, scores, shares)
            if budget.milliseconds is None and not ranks(model):
                rare = measured(there, found, _occurrences(open_, asked, budget), asked, counts=counts)
    bits = budget.bytes is not None and (encodings is None or bool(encodings))
    if bits and tuning is not None and not entries_alone(found, encodings):
        ways = BITS if encodings is None else encodings
        of_bits = recovery_of_bits(there, split, found, asked, ways, **trying)
    return Ratings(found, scores, asked, counts, of_bits, tuning is not None, rare, spelled(rule))


def _known_sites(found: Survey, budget: Budget) -> None:
    """Raise BudgetError where all sites that a budget names are none of the model."""
    there = [site.name for site in found.sites]
    if budget.sites and not budget.sites & {*there, *found.whole}:
        raise BudgetError(
            f"no site is called {min(budget.sites)!r}; there are: {', '.join(there) or 'none'}",
            sites=tuple(sorted(budget.sites)),
        )


def _occurrences(found: Survey, asked: Probe, budget: Budget) -> dict[str, Tensor]:
    """ID site -> (site.size,) how often each id occurs, where that is known."""
    known = [s for s in found.sites if s.kind is Kind.ID and s.kind in budget.kinds and asked.counts(s) is not None]
    return score(replace(found, sites=tuple(known)), Frequency(), asked) if known else {}


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

    tuning: of the fine-tuning that is to follow: plans that weigh the kinds of unit otherwise, and one by which the
    rarest ids alone leave, are tried for an epoch of it (`weighed`); None takes the scores as they are. Raises
    BudgetError where the budget cannot be met.
    """
    workers, found, scores = workers or Alone(), ratings.found, ratings.scores
    if budget.milliseconds is not None:
        if encodings:
            raise BudgetError(f"{budget.amount} is met by cuts alone; pack the result with recprune.pack")
        quick = timed_plan(model, split, found, scores, budget, rule=ratings.rule, stage=stage)[0]
        return _agreed(quick, workers)

    how: dict[str, Any] = {"encodings": encodings, "counts": ratings.counts}

    def estimated(scores: Mapping[str, Tensor], bits: float, stage: Stage = silent) -> Plan:
        rounds, left = 1 if ratings.tuned else ROUNDS, ratings.left * bits
        more: dict[str, Any] = {"rule": ratings.rule, "rounds": rounds, "left": left, "stage": stage, **how}
        return decide(model, found, scores, ratings.asked, budget, **more)

    chosen = estimated(scores, 1.0, stage)
    if tuning is not None and ratings.tuned:
        others = _rarest_alone(model, ratings, budget, how) if ratings.rare else {}
        trying: dict[str, Any] = {"options": tuning, "seed": seed, "stage": stage, "workers": workers}
        chosen = weighed(model, split, chosen, scores, ratings.asked, estimated, others=others, **trying)
    return _agreed(chosen, workers)


def _rarest_alone(model: nn.Module, ratings: Ratings, budget: Budget, how: Mapping[str, Any]) -> dict[str, Plan]:
    """By its name the plan by which the rarest ids alone leave, and bits, as many do without any rating; empty where
    that does not meet the budget. how: what `decide` is told besides."""
    with suppress(BudgetError):
        rule = spelled(Frequency())
        return {"rare ids": decide(model, ratings.found, ratings.rare, ratings.asked, budget, rule=rule, **how)}
    return {}


def _agreed(chosen: Plan, workers: Alone) -> Plan:
    """The plan of the first worker."""
    return chosen if workers.size == 1 else Plan.from_json(workers.agreed(chosen.to_json()))
