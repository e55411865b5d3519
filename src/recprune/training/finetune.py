"""finetune(): give a smaller model back what it lost."""

from __future__ import annotations

from torch import nn

from recprune.data.dataset import Split
from recprune.evaluation.inputs import Renumber
from recprune.training.fit import Fit, Progress, fit
from recprune.training.options import FitOptions
from recprune.training.state import BeforeEpoch
from recprune.training.together import Alone
from recprune.training.usual import usual_tuning

__all__ = ["finetune"]


def finetune(
    model: nn.Module,
    split: Split,
    options: FitOptions | None = None,
    *,
    progress: Progress | None = None,
    renumber: Renumber | None = None,
    teacher: nn.Module | None = None,
    before_epoch: BeforeEpoch | None = None,
    workers: Alone | None = None,
) -> Fit:
    """Train a pruned model further in place; on validation it never ends worse than it began.

    Without options: `usual_tuning`, 8 epochs. A model that is solved in closed form is solved again on what is left of
    it. Where ids left the model, `renumber` (made by `recprune.surgery.renumber`) tells the new code of every old one;
    the split stays as it was. teacher: the larger model, whose answers are learned too
    (distillation). before_epoch, workers: as for `fit`. Raises what `fit` raises.
    """
    options = options or usual_tuning(model, split)
    return fit(
        model,
        split,
        options,
        progress=progress,
        keep_start=True,
        renumber=renumber,
        teacher=teacher,
        before_epoch=before_epoch,
        workers=workers,
    )
