"""What a plan costs after an epoch or a few of fine-tuning: the loss of the smaller model, on the rows of the probe."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from torch import nn

from recprune.data.dataset import Split
from recprune.evaluation.inputs import ranks
from recprune.importance.probe import Probe
from recprune.planning.plan import Plan
from recprune.recipe.probing import MOST, probe
from recprune.recipe.pruned import Pruned, carry_out
from recprune.recipe.restrict import restrict
from recprune.surgery import masked
from recprune.tracing.site import Survey
from recprune.training.options import FitOptions
from recprune.training.together import Alone
from recprune.training.usual import usual_tuning

__all__ = ["loss_after", "some_rows"]


def loss_after(
    model: nn.Module,
    split: Split,
    plan: Plan,
    asked: Probe,
    options: FitOptions | None = None,
    most: int = MOST,
    seed: int = 0,
    workers: Alone | None = None,
    epochs: int = 1,
) -> float:
    """The loss of what a plan leaves of the model, after one epoch or so many.

    options: of the fine-tuning, whatever its epochs. most, seed: those that `asked` was made with. workers: of those
    who plan together each calls this, and all go by what the first finds; of models of rows it alone tries, while of
    those that rank the probe asks all of them for their batches.
    """

    def found() -> float:
        tuning = replace(options or usual_tuning(model, split), epochs=epochs, patience=epochs, checkpoint=None)
        small = carry_out(model, _unjudged(split), plan, options=tuning)
        return _loss_of(model, split, small, asked, most, seed)

    workers = workers or Alone()
    return workers.told(partial(float, found()) if ranks(model) else found)


def some_rows(model: nn.Module, split: Split, most: int, seed: int) -> Split:
    """The split with so many rows of train, drawn; all of them where the model ranks."""
    if ranks(model) or len(split.train) <= most:
        return split
    rows = np.random.default_rng(seed).permutation(len(split.train))[:most]
    return replace(split, train=split.train.take(np.sort(rows)))


def _unjudged(split: Split) -> Split:
    """Without a validation part an epoch is never taken back, whether it made the model better or not."""
    return replace(split, valid=split.valid.take(np.empty(0, dtype=np.int64)))


def _loss_of(model: nn.Module, split: Split, small: Pruned, asked: Probe, most: int, seed: int) -> float:
    """That of a smaller model on the rows of the probe. Where items can leave the answers it is that of the larger one
    with the same numbers, in which those that left are still asked for."""
    if any(site.answers for site in small.plan.survey.sites):
        return asked.loss_of(masked(model, small.plan, small=small.model))
    own = restrict(split, small.renumber)
    return probe(small.model, Survey((), {}, {}, {}, ""), own, most=most, seed=seed).loss
