"""gradual(): a model is pruned in several steps, each scored on what the last one left and fine-tuned."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from torch import nn

from recprune.data.dataset import Split
from recprune.errors import BudgetError, TrainingError
from recprune.evaluation.inputs import example
from recprune.importance.score import Rule, score, spelled
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.compose import remainder
from recprune.planning.lifted import lifted
from recprune.planning.measured import measured
from recprune.planning.origins import Origins
from recprune.planning.plan import Plan
from recprune.recipe.probing import MOST, code_counts, probe
from recprune.recipe.pruned import Pruned, as_rule, followed, smaller, usual_budget, usual_rule
from recprune.recipe.recovery import recovered, recovery
from recprune.recipe.restrict import restrict
from recprune.recipe.stages import Stage, epochs, silent
from recprune.recipe.steps import kept_step, start_key
from recprune.recipe.train import TUNING
from recprune.surgery import renumber
from recprune.tracing.build import named_tensors
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey
from recprune.training.finetune import finetune
from recprune.training.fit import FitOptions

__all__ = ["cubic", "gradual", "shared", "shrinking"]


def gradual(
    model: nn.Module,
    split: Split,
    factor: float | None = None,
    *,
    budget: Budget | None = None,
    steps: int = 5,
    rule: str | Rule | None = None,
    options: FitOptions | None = None,
    distilled: bool = False,
    folder: Path | None = None,
    seed: int = 0,
    stage: Stage = silent,
) -> Pruned:
    """Prune in `steps` steps by the cubic schedule; the model that is given stays as it is.

    factor, budget, rule, distilled: as for `prune`; the budget is a factor or bytes. options: of all fine-tuning
    together; each step but the last takes an equal small part of its epochs, the last one at least half. folder: holds
    a model for every step that is done; a run that was stopped goes on there, and gives what it would have given.
    The plan of the result is one of the model that was given, so that `apply` makes the same shapes of it at once.
    Raises BudgetError where the budget cannot be met, and what `fit` raises.
    """
    if steps < 1:
        raise BudgetError(f"pruning takes one step at least, not {steps}", steps=steps)
    budget = budget or usual_budget(0.5 if factor is None else factor)
    whole = sum(tensor.numel() * tensor.element_size() for tensor in named_tensors(model).values())
    budgets = [_towards(budget, share, whole) for share in cubic(1.0, steps)]
    made = shrinking(
        model,
        split,
        budgets,
        rule=rule,
        options=options,
        distilled=distilled,
        folder=folder,
        seed=seed,
        stage=stage,
    )
    return deque(made, maxlen=1).pop()


def cubic(target: float, steps: int, start: float = 0.0) -> list[float]:
    """What has left after each step: much at first, less and less. Zhu & Gupta 2017, section 3: s_t = s_f + (s_i - s_f)
    (1 - t/n)^3 for t = 1..n, s_i = `start` and s_f = `target`."""
    return [target + (start - target) * (1 - t / steps) ** 3 for t in range(1, steps + 1)]


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
    folder: Path | None = None,
    seed: int = 0,
    stage: Stage = silent,
) -> Iterator[Pruned]:
    """A smaller model for every budget, from the largest to the smallest, each made of the one before.

    Each `Pruned` stands for itself: its plan and its new codes are of the model that was given, its `fit` is all the
    fine-tuning so far. tunings: of each step, where they are not to share `options`. most: rows (or users) that units
    are rated on in each step, as for `probe`. The other arguments are those of `gradual`. One run gives a whole
    frontier.
    """
    options, found = options or TUNING, survey(model, example(model, split))
    asked = as_rule(rule or usual_rule(followed(found, split), budgets[-1]), seed)
    parts = tunings or shared(options, len(budgets))
    way = _Way(model, split, asked, parts[0], distilled, most, seed, stage)
    here = Pruned(model, Plan(found, {}, Budget(0.0), spelled(asked)), split.vocabularies, {}, None)
    key = "" if folder is None else start_key(model, split, [spelled(asked), distilled, most, seed])
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
    seed: int
    stage: Stage
    _shares: dict[frozenset[Kind], dict[Kind, float]] = field(default_factory=dict)

    def shares(self, kinds: frozenset[Kind]) -> dict[Kind, float]:
        """What fine-tuning leaves of a rise, by kind: tried once, on the model that was given, whichever step asks."""
        if kinds not in self._shares:
            found = survey(self.model, example(self.model, self.split))
            asked = probe(self.model, found, self.split, most=self.most, seed=self.seed)
            scores = score(followed(found, self.split), self.rule, asked, kinds=kinds)
            self._shares[kinds] = recovery(
                self.model,
                self.split,
                found,
                scores,
                asked,
                options=replace(self.tuning, seed=self.seed),
                counts=code_counts(self.split),
                most=self.most,
                seed=self.seed,
                stage=self.stage,
            )
        return self._shares[kinds]


def _further(way: _Way, here: Pruned, budget: Budget, tuning: FitOptions) -> Pruned:
    """One step on from a smaller model; its units are scored where it stands and chosen among all of the first one."""
    own = restrict(way.split, here.renumber)
    batch = example(here.model, own)
    with way.stage("score") as say:
        found = survey(here.model, batch)
        asked = probe(here.model, found, own, most=way.most, seed=way.seed)
        scores = score(followed(found, own), way.rule, asked, kinds=budget.kinds)
        if len(scores) > 1:
            scores = measured(here.model, found, scores, asked, counts=code_counts(own))
            scores = recovered(found, scores, way.shares(budget.kinds))
        say(f"{sum(len(worth) for worth in scores.values()):,} units")
    with way.stage("choose and apply") as say:
        if here.plan.meets(budget):
            chosen = replace(here.plan, budget=budget, rule=spelled(way.rule))
        else:
            told = lifted(scores, Origins(here.plan, found))
            chosen = choose(here.plan.survey, told, budget, rule=spelled(way.rule))
        made, vocabularies = smaller(here.model, remainder(chosen, here.plan, found), batch, here.vocabularies, own)
        say(f"{chosen.account().share_removed:.1%} of {chosen.account().parameters_before:,} parameters have left")
    with way.stage("fine-tune") as say:
        codes, teacher = renumber(chosen), way.model if way.distilled else None
        done = finetune(made, way.split, tuning, progress=epochs(say), renumber=codes, teacher=teacher)
    return Pruned(made, chosen, vocabularies, codes, done if here.fit is None else here.fit.then(done))


def _towards(budget: Budget, share: float, bytes_before: int) -> Budget:
    """The budget when this share of the way to it is done."""
    if budget.factor is not None:
        return replace(budget, factor=share * budget.factor)
    if budget.bytes is not None:
        return replace(budget, bytes=math.ceil(bytes_before + share * (budget.bytes - bytes_before)))
    raise BudgetError(f"steps go towards a factor or bytes, and {budget.amount} has to be measured; say one of the two")
