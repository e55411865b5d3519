"""train(): a model by its name, built for a split and trained on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from recprune.data.dataset import Split
from recprune.evaluation.inputs import columns_of, ranks
from recprune.models._start import begin_
from recprune.recipe.built import built
from recprune.recipe.stages import Stage, epochs, silent
from recprune.training.fit import Fit, FitOptions, fit
from recprune.training.sharded import gathered, shard
from recprune.training.together import Alone
from recprune.training.usual import Said, seed_of, settled

__all__ = ["needs_negatives", "needs_pasts", "train"]


def train(
    name: str,
    split: Split,
    *,
    settings: Mapping[str, Any] | None = None,
    options: FitOptions | Said | None = None,
    stage: Stage = silent,
    workers: Alone | None = None,
    over: int | None = None,
) -> tuple[nn.Module, Fit]:
    """A new model and how it was trained.

    settings: the options of its constructor. options: all of the training, or those that are said, where the others are
    as is usual for the model (`usual_options`); their seed draws its weights. workers: those who train it together,
    each of whom calls this (`recprune.training.together`). over: tables of more bytes lie in shards with the workers
    while it is trained, and the first worker alone has them whole afterwards.
    Raises ExtensionError for a name or a setting that there is not, and what `fit` raises.
    """
    model = built(name, split, settings or {}, seed_of(options))
    options = settled(model, split, options)
    workers = workers or Alone()
    if over is not None and workers.size > 1:
        begin_(model, split)
        shard(model, workers, over=over)
    with stage(f"train {name}") as say:
        done = fit(model, split, options, progress=epochs(say, options.epochs), workers=workers)
    gathered(model, workers)
    return model, done


def needs_negatives(model: nn.Module, split: Split) -> bool:
    """True for a model that tells rows apart where all rows are alike."""
    return not ranks(model) and not {"label", "rating"} & set(split.train.columns)


def needs_pasts(model: nn.Module, split: Split) -> bool:
    """True for a model of rows that takes what each user had before each, where the rows do not say."""
    return not ranks(model) and "sequence" in columns_of(model) and "sequence" not in split.train.columns
