"""pep(): embeddings by the entries that training finds to be needed, trained again on those alone."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from recprune.data.dataset import Split
from recprune.errors import TrainingError
from recprune.models._start import begin_
from recprune.recipe.early import has_epochs
from recprune.recipe.stages import Stage, epochs, silent
from recprune.training.fit import FitOptions, fit
from recprune.training.held import held
from recprune.training.soft_threshold import Granularity, Sparse, soft_threshold
from recprune.training.usual import settled

__all__ = ["pep", "tables_of"]


def pep(
    model: nn.Module,
    split: Split,
    share: float,
    *,
    tables: Sequence[str] | None = None,
    options: FitOptions | None = None,
    granularity: Granularity = "entry",
    stage: Stage = silent,
) -> Sparse:
    """Learn which `share` of the entries of the tables is needed, and train these again from where they began.

    The whole of Liu et al. 2021, sections 3.2 and 3.3: the search trains a copy under soft thresholds, and what stays
    is trained anew from its first weights. model: as it was built, not trained; it stays as it is. One that begins from
    singular vectors has these as its first weights. tables: None takes those of `tables_of`. options: of each of the
    two trainings, so that it takes twice the epochs. The `fit` of the result holds both. Raises TrainingError for a
    model without tables or one that is solved in closed form.
    """
    has_epochs(model)
    tables = tables_of(model) if tables is None else tables
    if not tables:
        raise TrainingError(f"{type(model).__name__} has no embedding table of two columns or more; name its tables")
    options = settled(model, split, options)
    model = copy.deepcopy(model)
    begin_(model, split)
    saved = options.checkpoint
    first, second = (
        replace(options, checkpoint=None if saved is None else saved.with_name(f"{saved.name}.{part}"))
        for part in ("search", "retrain")
    )
    with stage("search for the entries that are needed") as say:
        found = soft_threshold(model, split, tables, share, first, granularity=granularity, progress=epochs(say))
    again = copy.deepcopy(model)
    with stage("train them again") as say, held(again, found.kept):
        done = fit(again, split, second, progress=epochs(say))
    return Sparse(again, found.kept, found.fit.then(done))


def tables_of(model: nn.Module) -> list[str]:
    """Weights of all embeddings of two columns or more, each once."""
    found = {
        id(module.weight): f"{name}.weight".lstrip(".")
        for name, module in reversed(list(model.named_modules()))
        if isinstance(module, nn.Embedding) and module.embedding_dim > 1
    }
    return list(reversed(found.values()))
