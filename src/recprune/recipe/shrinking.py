"""shrinking(): smaller and smaller models from one, each scored on what the last one left and fine-tuned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.errors import TrainingError
from recprune.evaluation.inputs import example
from recprune.importance.probe import Probe
from recprune.importance.score import Rule, spelled
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.compose import remainder
from recprune.planning.lifted import inherited, lifted
from recprune.planning.measured import measured
from recprune.planning.origins import Origins
from recprune.planning.plan import Plan
from recprune.recipe.probing import MOST, as_asked, code_counts, probe, rated
from recprune.recipe.pruned import Pruned, as_rule, followed, smaller, usual_rule
from recprune.recipe.recovery import Left, recovered, recovery
from recprune.recipe.restrict import restrict
from recprune.recipe.rounding import ROUNDING, rounding_in
from recprune.recipe.stages import Stage, epochs, silent
from recprune.recipe.steps import kept_step, start_key
from recprune.surgery import renumber
from recprune.tracing.site import Kind, Survey
from recprune.tracing.trace import survey
from recprune.training.finetune import finetune
from recprune.training.fit import FitOptions
from recprune.training.usual import usual_tuning

__all__ = ["shared", "shrinking"]


def shrinking(
    model: nn.Module,
    split: Split,
    budgets: Sequence[Budget],
    *,
    rule: str | Rule | None = None,
    options: FitOptions | None = None,
    tunings: Sequence[FitOptions] | None = None,
    distilled: bool = False,
    most: int = MOST,
    anew: bool = True,
    stored: Mapping[str, str] | None = None,
    folder: Path | None = None,
    seed: int = 0,
    stage: Stage = silent,
) -> Iterator[Pruned]:
    """A smaller model for every budget, from the largest to the smallest, each made of the one before.

    Each `Pruned` stands for itself: its plan and its new codes are of the model that was given, its `fit` is all the
    fine-tuning so far. tunings: of each step, where they are not to share `options`. most: rows (or users) that units
    are rated on in each step, as for `probe`. anew=False rates units once, on the model that was given: in every step
    they leave in that order, and only what leaves together is measured anew. stored: tensor -> the encoding that is to
    store it: counted in every step, and weights act so in the fine-tuning of the last one, but all stay floats
    (`finished` packs one). The other arguments are those of `gradual`. One run gives a whole frontier.
    """
    options = replace(options or usual_tuning(model, split), checkpoint=None)  # of each step its own, in `folder`
    found = survey(model, example(model, split))
    asked = as_rule(rule or usual_rule(followed(found, split), budgets[-1]), seed)
    parts = tunings or shared(options, len(budgets))
    way = _Way(model, split, asked, parts[0], distilled, most, anew, dict(stored or {}), budgets[-1], seed, stage)
    here = Pruned(model, Plan(found, {}, Budget(0.0), spelled(asked), way.stored), split.vocabularies, {}, None)
    bits = [way.stored, way.last] if way.stored else []
    key = "" if folder is None else start_key(model, split, [spelled(asked), distilled, most, anew, seed, *bits])
    for number, (budget, tuning) in enumerate(zip(budgets, parts, strict=True)):
        further = partial(_further, way, here, budget)
        if folder is None:
            here = further(tuning)
        else:
            here, key = kept_step(folder / f"step-{number + 1}", key, budget, tuning, model, split, further)
        yield here


def shared(options: FitOptions, steps: int) -> list[FitOptions]:
    """The epochs of a training among steps: each but the last takes an equal part of one half, rounded down but one at
    least; the learning rate falls over all of them. Raises TrainingError where there are too few."""
    each = max(1, options.epochs // (2 * steps))
    if options.epochs <= each * (steps - 1):
        raise TrainingError(f"{options.epochs} epochs are too few for {steps} steps; give {steps} or more")
    ends = [*(each * number for number in range(1, steps)), options.epochs]
    begins = [0, *ends[:-1]]
    return [
        replace(options.part(begin, end), seed=options.seed + number)
        for number, (begin, end) in enumerate(zip(begins, ends, strict=True))
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """What is the same in every step."""

    model: nn.Module
    split: Split
    rule: Rule
    tuning: FitOptions
    distilled: bool
    most: int
    anew: bool
    stored: dict[str, str]
    last: Budget
    seed: int
    stage: Stage
    _made: dict[tuple[str, frozenset[Kind]], Any] = field(default_factory=dict)

    def scores(self, kinds: frozenset[Kind]) -> dict[str, Tensor]:
        """What the rule says of the model that was given, asked once."""
        if ("scores", kinds) not in self._made:
            found, asked = self._asked()
            self._made["scores", kinds] = rated(
                self.model, followed(found, self.split), self.rule, asked, self.split, kinds=kinds, seed=self.seed
            )
        made: dict[str, Tensor] = self._made["scores", kinds]
        return made

    def shares(self, kinds: frozenset[Kind]) -> dict[Kind, Left]:
        """What fine-tuning leaves of a rise, by kind: tried once, on the model that was given, whichever step asks."""
        if ("shares", kinds) not in self._made:
            found, asked = self._asked()
            self._made["shares", kinds] = recovery(
                asked.model,
                self.split,
                found,
                self.scores(kinds),
                asked,
                options=replace(self.tuning, seed=self.seed),
                counts=code_counts(self.split),
                most=self.most,
                seed=self.seed,
                stage=self.stage,
            )
        made: dict[Kind, Left] = self._made["shares", kinds]
        return made

    def _asked(self) -> tuple[Survey, Probe]:
        found = survey(self.model, example(self.model, self.split))
        there = as_asked(self.model, self.split, seed=self.seed)
        return found, probe(there, found, self.split, most=self.most, seed=self.seed)


def _further(way: _Way, here: Pruned, budget: Budget, tuning: FitOptions) -> Pruned:
    """One step on from a smaller model; its units are scored where it stands, or as the first one's were, and chosen
    among all of the first one."""
    own = restrict(way.split, here.renumber)
    batch = example(here.model, own)
    with way.stage("score") as say:
        found = survey(here.model, batch)
        asked = probe(as_asked(here.model, own, seed=way.seed), found, own, most=way.most, seed=way.seed)
        if here.model is way.model:
            scores = way.scores(budget.kinds)
        else:
            known = {} if way.anew else inherited(way.scores(budget.kinds), Origins(here.plan, found))
            rest = replace(found, sites=tuple(s for s in followed(found, own).sites if s.name not in known))
            more = rated(here.model, rest, way.rule, asked, own, kinds=budget.kinds, seed=way.seed)
            scores = {**known, **more}
        if len(scores) > 1:
            scores = measured(asked.model, found, scores, asked, counts=code_counts(own))
            scores = recovered(found, scores, way.shares(budget.kinds), here.plan.survey)
        say(f"{sum(len(worth) for worth in scores.values()):,} units")
    with way.stage("choose and apply") as say:
        if here.plan.meets(budget):
            chosen = replace(here.plan, budget=budget, rule=spelled(way.rule))
        else:
            told = lifted(scores, Origins(here.plan, found))
            chosen = choose(here.plan.survey, told, budget, rule=spelled(way.rule), encodings=way.stored)
        further = remainder(chosen, here.plan, found)
        made, vocabularies = smaller(here.model, further, batch, here.vocabularies, own, packed=False)
        say(f"{chosen.account().share_removed:.1%} of {chosen.account().parameters_before:,} parameters have left")
    with way.stage("fine-tune") as say:
        codes, teacher = renumber(chosen), way.model if way.distilled else None
        with rounding_in(made, chosen, tuning, ROUNDING if budget == way.last else 0.0, way.split) as rounded:
            reported = epochs(say, tuning.epochs)
            done = finetune(
                made, way.split, tuning, progress=reported, renumber=codes, teacher=teacher, before_epoch=rounded
            )
    return Pruned(made, chosen, vocabularies, codes, done if here.fit is None else here.fit.then(done))
