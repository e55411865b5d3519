"""Pruned: a smaller model and what there is to know of it; from a plan to it, and what is usual on the way."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

from torch import Tensor, nn

import recprune.importance.rules as rules
from recprune import discover
from recprune.data.dataset import Split
from recprune.data.vocabulary import Vocabulary
from recprune.errors import ExtensionError
from recprune.evaluation.inputs import columns_of, example
from recprune.importance.score import Rule
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.probing import code_counts
from recprune.recipe.restrict import smaller_vocabularies
from recprune.recipe.rounding import ROUNDING, rounding_in
from recprune.recipe.stages import Stage, epochs, silent
from recprune.recipe.uses import uses
from recprune.surgery import apply, pack_planned, renumber, shrink_inputs
from recprune.tracing.site import Kind, Site, Survey
from recprune.training.finetune import finetune
from recprune.training.fit import Fit, FitOptions
from recprune.training.together import Alone
from recprune.training.usual import usual_tuning

__all__ = [
    "Pruned",
    "as_rule",
    "carry_out",
    "finished",
    "followed",
    "smaller",
    "usual_budget",
    "usual_rule",
]


MEASURED = 1000
"""Units that are left out one by one and measured, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Pruned:
    """A smaller model, and what there is to know of it.

    vocabularies: of its columns; renumber: column -> its code for every code of the larger model, where ids left.
    fit: how it was fine-tuned, None where it was not.
    """

    model: nn.Module
    plan: Plan
    vocabularies: Mapping[str, Vocabulary]
    renumber: Mapping[str, Any]
    fit: Fit | None


def carry_out(
    model: nn.Module,
    split: Split,
    chosen: Plan,
    *,
    options: FitOptions | None = None,
    finetuned: bool = True,
    distilled: bool = False,
    packed: bool = True,
    rounding: float = ROUNDING,
    stage: Stage = silent,
    workers: Alone | None = None,
) -> Pruned:
    """Apply a plan, fine-tune, and store the weights as the plan says.

    distilled: with the model as teacher. packed=False leaves the last out, for what is trained further (`finished`).
    rounding: share of the epochs, the last ones, in which weights act as they will be stored (`training.rounded`); at 0
    they are trained as floats and rounded in the end. workers: those who fine-tune it together, as for `fit`.
    """
    with stage("apply"):
        made, vocabularies = smaller(model, chosen, example(model, split), split.vocabularies, split, packed=False)
    codes = renumber(chosen)
    fit = None
    if finetuned:
        with stage("fine-tune") as say:
            options, teacher = options or usual_tuning(model, split), model if distilled else None
            with rounding_in(made, chosen, options, rounding, split) as steps:
                fit = finetune(
                    made,
                    split,
                    options,
                    progress=epochs(say, options.epochs),
                    renumber=codes,
                    teacher=teacher,
                    before_epoch=steps,
                    workers=workers,
                )
    small = Pruned(made, chosen, vocabularies, codes, fit)
    return finished(small, model, split, stage=stage) if packed else small


def finished(small: Pruned, model: nn.Module, split: Split, *, stage: Stage = silent) -> Pruned:
    """The same with its weights stored as its plan says. model, split: what it was pruned from, to check it on."""
    if not small.plan.packed() and not small.plan.folded():
        return small
    with stage("pack") as say:
        inputs = shrink_inputs(small.plan, example(model, split), columns_of(model))
        made = pack_planned(small.model, small.plan, inputs, used=uses(small.plan, split))
        say(f"{small.plan.account().bytes_after:,} bytes")
    return replace(small, model=made)


def smaller(
    model: nn.Module,
    chosen: Plan,
    batch: tuple[Tensor, ...],
    vocabularies: Mapping[str, Vocabulary],
    split: Split | None = None,
    *,
    packed: bool = True,
) -> tuple[nn.Module, dict[str, Vocabulary]]:
    """The model cut by a plan, and its vocabularies. split: tells how often ids occur that share a row from now on."""
    made = apply(model, chosen, batch, counts=None if split is None else code_counts(split), packed=packed)
    return made, smaller_vocabularies(vocabularies, renumber(chosen))


def followed(found: Survey, split: Split) -> Survey:
    """The survey without the ids that no vocabulary of the split can follow: their tables keep their rows."""
    known = split.vocabularies
    sites = tuple(
        s for s in found.sites if s.kind is not Kind.ID or s.column in known or _are_items(s, known.get("item"))
    )
    return replace(found, sites=sites)


def _are_items(site: Site, items: Vocabulary | None) -> bool:
    """Whether ids are answers, one an item of that vocabulary and one for the unknown."""
    return bool(site.answers) and items is not None and site.size + 1 == len(items)


def usual_budget(factor: float) -> Budget:
    """A budget by which no layer collapses: every site keeps half of the share that stays of the whole. Raises
    BudgetError for what is no share."""
    return replace(Budget(factor), keep=(1 - factor) / 2)


def usual_rule(found: Survey, budget: Budget) -> str:
    """Where entries are all that can leave, `refit_increase`, or `coherence` if they are not of items with items;
    otherwise `usual` where such entries leave beside others, or ids can leave the answers; otherwise `mse_increase`,
    the measured rise of the error, up to MEASURED units (ids and entries come cheaper and do not count), and `taylor`,
    its estimate in one pass, above."""
    open_ = [s for s in found.sites if s.kind in budget.kinds]
    other = any(s.matrix is not None and s.matrix[0] != s.matrix[1] for s in open_)
    if {s.kind for s in open_} == {Kind.ENTRY}:
        return "coherence" if other else "refit_increase"
    if other or any(s.answers for s in open_):
        return "usual"
    units = sum(s.size for s in open_ if s.kind not in (Kind.ID, Kind.ENTRY))
    return "mse_increase" if units <= MEASURED else "taylor"


def as_rule(rule: str | Rule, seed: int = 0) -> Rule:
    """The rule of that name, with the seed where it draws something; a rule stays as it is, and so does a function that
    is named. Raises ExtensionError for what is none, for a class in a rule's place, and for one that needs options."""
    if not isinstance(rule, str):
        if isinstance(rule, type) or not callable(rule):
            hint = f"give one of it, {rule.__name__}()" if isinstance(rule, type) else "it cannot be called"
            raise ExtensionError(f"{rule!r} is no rule: {hint}", name=str(rule))
        return rule
    found = discover.load(rules, rule)
    if isinstance(found, FunctionType):
        return found
    try:
        made: Rule = found(seed=seed) if "seed" in inspect.signature(found).parameters else found()
        if not callable(made):
            raise TypeError("what it makes cannot be called")
    except TypeError as error:
        raise ExtensionError(
            f"{rule!r} makes no rule: {error}. A class whose options all have defaults is named, or a function of a "
            "site and a probe",
            name=rule,
        ) from error
    return made
