"""rounding_in(): fine-tuning knows how a plan is going to store the weights."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

from torch import nn

from recprune.data.dataset import Split
from recprune.planning.held import sparse_matrices
from recprune.planning.plan import Plan
from recprune.recipe.uses import uses
from recprune.training.options import FitOptions
from recprune.training.rounded import last_epochs, rounded
from recprune.training.state import BeforeEpoch

__all__ = ["ROUNDING", "rounding_in"]

ROUNDING = 1.0
"""Share of the epochs, the last ones, in which weights act as they will be stored."""


def rounding_in(
    model: nn.Module, chosen: Plan, options: FitOptions, share: float = ROUNDING, split: Split | None = None
) -> AbstractContextManager[BeforeEpoch | None]:
    """`with rounding_in(model, plan, options) as steps: fit(model, split, options, before_epoch=steps)`.

    model: cut by the plan, not packed; its weights act as the plan stores them in the last `share` of the epochs.
    Nothing is rounded where the plan stores floats, at share 0, in a model that is solved in closed form, and of the
    values of a sparse matrix, which are counted or solved as the entries stay. split: in the codes of the model that
    the plan is of; tells how often rows are looked up (`uses`).
    Raises TrainingError for a share outside 0..1.
    """
    sparse = sparse_matrices(chosen.survey)
    stored = {name: str(encoding) for name, encoding in chosen.packed().items() if name not in sparse}
    after = last_epochs(options.epochs, share)
    if not stored or not share or hasattr(model, "refit_"):
        return contextlib.nullcontext()
    return rounded(model, stored, after=after, used=None if split is None else uses(chosen, split))
