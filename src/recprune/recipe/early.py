"""early(): a model is pruned after a few epochs, so that it costs no more to make than the larger one alone."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from recprune.data.dataset import Split
from recprune.errors import TrainingError
from recprune.importance.score import Rule
from recprune.planning.budget import Budget
from recprune.recipe.prune import plan
from recprune.recipe.pruned import Pruned, carry_out, finished
from recprune.recipe.rounding import rounding_in
from recprune.recipe.stages import Stage, epochs, silent
from recprune.training.fit import FitOptions, fit
from recprune.training.usual import settled

__all__ = ["early", "has_epochs"]


def early(
    model: nn.Module,
    split: Split,
    factor: float | None = None,
    *,
    budget: Budget | None = None,
    rule: str | Rule | None = None,
    encodings: Sequence[str] | None = None,
    options: FitOptions | None = None,
    after: int | None = None,
    seed: int = 0,
    stage: Stage = silent,
) -> Pruned:
    """Train a fresh model for `after` epochs, prune it, and train on what is left for the rest of `options.epochs`.

    model: as it was built, not trained; it stays as it is. factor, budget, rule, encodings: as for `prune`. options: of
    the whole training; its learning rate goes on falling where the cut interrupts it, and Adam begins anew there.
    after: a third of the epochs where it is not said; what is cut sooner is chosen on less. The `fit` of the result is
    the whole training: as many epochs at most as the larger model takes, most of them on the smaller one. With a
    checkpoint it can be taken up where it was stopped.
    Raises TrainingError for a model that is solved in closed form and for an `after` that leaves no epoch.
    """
    has_epochs(model)
    options = settled(model, split, options)
    after = max(1, options.epochs // 3) if after is None else after
    if not 0 < after < options.epochs:
        raise TrainingError(f"pruned after {after} of {options.epochs} epochs: at least one comes before and one later")
    large = copy.deepcopy(model)
    with stage("train at full size") as say:
        first = fit(large, split, replace(options.part(0, after), patience=after), progress=epochs(say))
    chosen = plan(large, split, factor, budget=budget, rule=rule, encodings=encodings, seed=seed, stage=stage)
    small = carry_out(large, split, chosen, finetuned=False, packed=False, stage=stage)
    rest = replace(options.part(after, options.epochs), seed=options.seed + 1)
    with stage("train what is left") as say:
        with rounding_in(small.model, chosen, rest, split=split) as steps:
            told = epochs(say)
            then = fit(small.model, split, rest, progress=told, renumber=small.renumber, before_epoch=steps)
        say(f"{_work(after, len(then.history), chosen.account().share_removed, options.epochs):.0%} of the work")
    return finished(replace(small, fit=first.then(then)), large, split, stage=stage)


def has_epochs(model: nn.Module) -> None:
    """Raise TrainingError for a model that is solved at once."""
    if hasattr(model, "refit_"):
        raise TrainingError(
            f"{type(model).__name__} is solved in closed form: there are no epochs to prune after or to go back to; "
            "prune it once it is solved"
        )


def _work(large: int, small: int, removed: float, whole: int) -> float:
    """Numbers trained, epoch by epoch, against all of them in every epoch."""
    return (large + (1 - removed) * small) / whole
