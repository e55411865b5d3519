"""gradual(): a model is pruned in several steps, each scored on what the last one left and fine-tuned."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from recprune.atomic import write_bytes
from recprune.data.dataset import Split
from recprune.errors import BudgetError
from recprune.evaluation.inputs import example
from recprune.importance.score import Rule
from recprune.packing import storing
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.once import alone, once, readable
from recprune.recipe.prune import plan
from recprune.recipe.pruned import Pruned, finished, usual_budget
from recprune.recipe.shrinking import shrinking
from recprune.recipe.stages import Stage, silent
from recprune.recipe.steps import start_key
from recprune.tracing.trace import survey
from recprune.training.fit import FitOptions
from recprune.training.usual import usual_tuning

__all__ = ["cubic", "gradual", "towards"]


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
    encodings: Sequence[str] | None = None,
    folder: Path | None = None,
    seed: int = 0,
    stage: Stage = silent,
) -> Pruned:
    """Prune in `steps` steps by the cubic schedule; the model that is given stays as it is.

    factor, budget, rule, distilled, encodings: as for `prune`; the budget is a factor or bytes. For bytes one plan of
    the model that was given says first which tensors are stored in how few bits; the steps go from all of them stored
    so to the bytes, as floats, and the last one learns what the bits do to it and is packed. options: of all
    fine-tuning together; each step but the last takes an equal small part of its epochs, the last one at least half.
    folder: holds a model for every step that is done; a run that was stopped goes on there, and gives what it would
    have given.
    The plan of the result is one of the model that was given, so that `apply` makes the same model's shapes at once.
    Raises BudgetError where the budget cannot be met, and what `fit` raises.
    """
    if steps < 1:
        raise BudgetError(f"pruning takes one step at least, not {steps}", steps=steps)
    budget, options = budget or usual_budget(0.5 if factor is None else factor), options or usual_tuning(model, split)
    towards(budget, 1.0, 0)
    stored = _stored(model, split, budget, rule, encodings, options, folder, seed, stage)
    whole = Plan(survey(model, example(model, split)), {}, Budget(0.0), encodings=stored).file_bytes()
    budgets = [towards(budget, share, whole) for share in cubic(1.0, steps)]
    made = shrinking(
        model,
        split,
        budgets,
        rule=rule,
        options=options,
        distilled=distilled,
        stored=stored,
        folder=folder,
        seed=seed,
        stage=stage,
    )
    return finished(deque(made, maxlen=1).pop(), model, split, stage=stage)


def cubic(target: float, steps: int, start: float = 0.0) -> list[float]:
    """What has left after each step: much at first, less and less. Zhu & Gupta 2017, section 3: s_t = s_f + (s_i - s_f)
    (1 - t/n)^3 for t = 1..n, s_i = `start` and s_f = `target`."""
    return [target + (start - target) * (1 - t / steps) ** 3 for t in range(1, steps + 1)]


def towards(budget: Budget, share: float, bytes_before: int) -> Budget:
    """The budget when this share of the way to it is done. Raises BudgetError for one that has to be measured."""
    if budget.factor is not None:
        return replace(budget, factor=share * budget.factor)
    if budget.bytes is not None:
        return replace(budget, bytes=math.ceil(bytes_before + share * (budget.bytes - bytes_before)))
    raise BudgetError(f"steps go towards a factor or bytes, and {budget.amount} has to be measured; say one of the two")


def _stored(
    model: nn.Module,
    split: Split,
    budget: Budget,
    rule: str | Rule | None,
    encodings: Sequence[str] | None,
    options: FitOptions,
    folder: Path | None,
    seed: int,
    stage: Stage,
) -> dict[str, str]:
    """Tensor -> the encoding that is to store it; kept in the folder, for it takes a plan to know."""
    if not encodings and (budget.bytes is None or encodings is not None):
        return {}
    if budget.bytes is None and encodings and len(encodings) == 1:
        return storing(model, encodings[0])

    def chosen() -> dict[str, str]:
        found = plan(
            model, split, budget=budget, rule=rule, encodings=encodings, tuning=options, seed=seed, stage=stage
        )
        return {name: text for name, text in found.encodings.items() if text != "item_item"}

    if folder is None:
        return chosen()
    place = folder / "bits.json"
    key = start_key(model, split, [str(rule), seed])
    made_from = [budget, encodings, replace(options, checkpoint=None)]
    with alone(folder):
        once(folder, place, key, made_from, lambda _: write_bytes(place, json.dumps(chosen()).encode()))
        kept: dict[str, str] = readable(place, json.loads)
    return kept
