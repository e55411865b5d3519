"""The two honest rivals of a pruned model: chance, and the same size trained from scratch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.importance.rules.random import Random
from recprune.importance.score import score, spelled
from recprune.packing import unpack
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.recipe.probing import probe
from recprune.recipe.pruned import Pruned, carry_out, followed
from recprune.recipe.restrict import restrict
from recprune.recipe.rounding import ROUNDING, rounding_in
from recprune.recipe.stages import Stage, epochs, silent
from recprune.surgery import pack_planned
from recprune.tracing.site import Kind, Survey
from recprune.training.fit import Fit, FitOptions, fit
from recprune.training.scratch import fresh_copy

__all__ = ["by_chance", "from_scratch", "work_of"]


def by_chance(
    model: nn.Module,
    split: Split,
    pruned: Pruned,
    *,
    options: FitOptions | None = None,
    distilled: bool = False,
    seed: int = 0,
    stage: Stage = silent,
) -> Pruned:
    """The same budget, met by units drawn at random, fine-tuned and stored alike; distilled: the model teaches."""
    found, budget = pruned.plan.survey, pruned.plan.size_budget()
    rule = Random(seed)
    scores = score(followed(found, split), rule, probe(model, found, split, most=1, seed=seed), kinds=budget.kinds)
    drawn = choose(found, scores, budget, rule=spelled(rule), encodings=_packed(pruned.plan))
    return carry_out(model, split, drawn, options=options, distilled=distilled, stage=stage)


def from_scratch(
    model: nn.Module,
    split: Split,
    pruned: Pruned,
    *,
    options: FitOptions,
    rounding: float = ROUNDING,
    seed: int = 0,
    stage: Stage = silent,
) -> Pruned:
    """The same size with newly drawn weights, trained by `options`: give them the epochs of the large model's training
    and of the fine-tuning together. Its weights are stored as those of the pruned model are, and act so in the last
    share `rounding` of its epochs (`carry_out`).

    An item-item matrix has nothing to draw: its rival keeps as many entries, those of the most similar items by cosine,
    chosen before any model is trained, and is solved on them (fsSLIM; Ning & Karypis 2011, section 4.3).
    """
    if "item_item" in pruned.plan.encodings.values():
        scores = _similar(pruned.plan.survey, split)
        drawn = choose(pruned.plan.survey, scores, pruned.plan.size_budget(), rule="cosine of the histories")
        return carry_out(model, split, drawn, options=options, stage=stage)
    fresh = fresh_copy(unpack(pruned.model), seed)
    with stage("train from scratch") as say, rounding_in(fresh, pruned.plan, options, rounding) as steps:
        own = restrict(split, pruned.renumber)
        done = fit(fresh, own, options, progress=epochs(say), before_epoch=steps)
    return replace(pruned, model=pack_planned(fresh, pruned.plan), fit=done)


def _packed(plan: Plan) -> dict[str, str]:
    """What the plan stores in fewer bits."""
    return {name: str(encoding) for name, encoding in plan.packed().items()}


def work_of(*fits: Fit | None) -> int:
    """Epochs of several trainings together, at least 1."""
    return max(1, sum(len(one.history) for one in fits if one is not None))


def _similar(found: Survey, split: Split) -> dict[str, Tensor]:
    """Entry site -> (items * items,) cosine of every two items over the users of train."""
    matrix = split.train.histories().matrix()
    together = np.asarray((matrix.T @ matrix).todense(), dtype=np.float32)
    norms = np.sqrt(np.maximum(together.diagonal(), 1.0))
    cosine = together / norms[:, None] / norms[None, :]
    np.fill_diagonal(cosine, 0.0)
    flat = torch.from_numpy(cosine.reshape(-1))
    return {site.name: flat for site in found.sites if site.kind is Kind.ENTRY}
