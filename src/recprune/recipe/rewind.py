"""rewind(): a smaller model is trained again from the early weights of the larger one, not from its last."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
from torch import nn

from recprune.data.dataset import Split
from recprune.errors import TrainingError
from recprune.planning.plan import Plan
from recprune.recipe.early import has_epochs
from recprune.recipe.pruned import Pruned, carry_out, finished
from recprune.recipe.rounding import rounding_in
from recprune.recipe.stages import Stage, epochs, silent
from recprune.training.fit import Fit, FitOptions, fit
from recprune.training.usual import settled

__all__ = ["rewind"]


def rewind(
    model: nn.Module,
    split: Split,
    chosen: Plan,
    *,
    options: FitOptions | None = None,
    to: int = 1,
    teacher: nn.Module | None = None,
    stage: Stage = silent,
) -> Pruned:
    """Cut a model as it was after epoch `to` by a plan that was made for it when it was trained; train it from there.

    The kept units have early weights: those that were drawn (to=0: Frankle & Carbin 2019, section 1) or, better for
    larger models, those after a few epochs (Frankle et al. 2020, section 4). Here whole units leave, and not single
    weights. model: as it was built; it stays as it is. options: those of the larger model's training, which is made
    again up to epoch `to`: the same options and seed give the same weights. teacher: the trained model, to learn from
    it too. With a checkpoint it can be taken up where it was stopped. The `fit` of the result holds the epochs up to
    `to` as well. Raises TrainingError for a model that is solved in closed form or a `to` that leaves no epoch.
    """
    has_epochs(model)
    options = settled(model, split, options)
    if not 0 <= to < options.epochs:
        raise TrainingError(f"back to epoch {to} of {options.epochs} leaves none to train; take 0 or a few")
    start, first = copy.deepcopy(model), Fit((), 0, 0.0)
    if to:
        blind = replace(split, valid=split.valid.take(np.arange(0)))  # no epoch is chosen: the last weights stay
        with stage("train to the point to go back to") as say:
            first = fit(start, blind, options.part(0, to), progress=epochs(say))
    small = carry_out(start, split, chosen, finetuned=False, packed=False, stage=stage)
    with stage("train from there") as say:
        rest = options.part(to, options.epochs)
        with rounding_in(small.model, chosen, rest) as steps:
            codes, told = small.renumber, epochs(say)
            then = fit(small.model, split, rest, progress=told, renumber=codes, teacher=teacher, before_epoch=steps)
    return finished(replace(small, fit=first.then(then)), start, split, stage=stage)
