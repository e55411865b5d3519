"""FitOptions: how to train, one frozen value."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from recprune.errors import TrainingError

__all__ = ["FitOptions", "Loss", "Schedule"]

Loss = Literal["bce", "mse", "bpr", "softmax", "sampled_softmax", "multinomial", "constraint"]
Schedule = Literal["constant", "linear", "cosine"]
_CHOICES = {
    "loss": (None, "bce", "mse", "bpr", "softmax", "sampled_softmax", "multinomial", "constraint"),
    "schedule": ("constant", "linear", "cosine"),
}
_WHOLE = ("epochs", "batch", "before", "of", "negatives", "k", "every", "patience", "seed", "threads")
_SEEDS = range(-(2**63), 2**64)
"""What a generator of torch takes."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to train, said in full: what is left out is as below. `recprune.usual_options(model, split, epochs=4)` says a
    few and takes the others as models of that family learn best.

    loss: None takes the one that suits the model and the data (`recprune.training.make_samples.usual_loss`).
    epochs: most passes over the training data. batch: samples a step. lr: step size of Adam; schedule: how it falls
    over all `epochs`, to 0 (linear, cosine) or not (constant). before, of: for a part of a longer training, how many
    epochs of its schedule are done already and how many it has. decay: the learning rate times this share leaves every
    weight at every step (AdamW); logs of some 100,000 rows want more, 0.1 to 1. l2: weight of half the sum of squares
    of all weights in the loss; Adam scales it as it scales gradients, so that rows of rare ids shrink: 2e-5 to 2e-4,
    with an lr of 2e-2 to 4e-2 that falls to 0 and no decay, suit clicks with many rare ids. reg: ridge strength of
    closed-form models, in interactions (None: the model's own, by which it was solved last).
    negatives: drawn items, a positive (bpr) or a batch (sampled_softmax, constraint); popularity: items are drawn with
    probability ~ count ** popularity (0: all alike). unknown: share of the codes a model reads (fields, users, items of
    a sequence) that training replaces by 0, so that it learns to answer, by row 0, for ids that are unknown or will
    leave. hidden: share of a history that is to be found from the rest (multinomial, for which `unknown` is 0).
    metric, k: what early stopping reads on the validation part, rankings at length k, unless the metric says another,
    as ndcg@10 (None: auc for clicks, rmse for ratings, ndcg for rankings); every: how many epochs pass from one
    validation to the next, the last epoch having one anyhow; patience: validations without a better value before
    training stops. The weights of the best validated epoch stay. An empty validation part means all epochs and the last
    weights.
    distill: weight of what a teacher says beside what was seen, 0 to 1; temperature: by which its scores and the
    model's are divided there (1 to 4 are usual). Both count only where `fit` is given a teacher.
    seed: of everything drawn. threads: torch threads while training (None: as they are).
    checkpoint: a file to write after every epoch, and to go on from where it exists.
    Whole numbers may come as floats (1e3). Raises TrainingError for a value outside its range.
    """

    loss: Loss | None = None
    epochs: int = 20
    batch: int = 1024
    lr: float = 2e-3
    schedule: Schedule = "constant"
    before: int = 0
    of: int | None = None
    decay: float = 0.01
    l2: float = 0.0
    reg: float | None = None
    negatives: int = 256
    popularity: float = 0.5
    unknown: float = 0.0
    hidden: float = 0.5
    metric: str | None = None
    k: int = 20
    every: int = 1
    patience: int = 3
    distill: float = 0.5
    temperature: float = 1.0
    seed: int = 0
    threads: int | None = None
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                there = ", ".join(str(choice) for choice in choices)
                raise TrainingError(f"{name} {getattr(self, name)!r} is not one of: {there}", option=name)
        for name in _WHOLE:
            if getattr(self, name) is not None or name not in ("of", "threads"):
                object.__setattr__(self, name, _whole(name, getattr(self, name)))
        if self.seed not in _SEEDS:
            raise TrainingError(f"seed is a number of 64 bits, not {self.seed}", option="seed")
        for name in ("epochs", "batch", "negatives", "k", "every", "patience"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} must be 1 or more, not {getattr(self, name)}", option=name)
        if self.threads is not None and self.threads < 1:
            raise TrainingError(f"threads must be 1 or more, not {self.threads}", option="threads")
        if self.before < 0 or self.before + self.epochs > (self.of or self.before + self.epochs):
            raise TrainingError(
                f"{self.epochs} epochs after {self.before} do not lie in a schedule of {self.of}; before is 0 or more "
                "and of is at least before + epochs",
                option="of",
            )
        for name in ("lr", "reg", "temperature"):
            if getattr(self, name) is not None and not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise TrainingError(f"{name} must be above 0, not {getattr(self, name)}", option=name)
        for name in ("decay", "l2"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise TrainingError(f"{name} must be 0 or more, not {getattr(self, name)}", option=name)
        if not math.isfinite(self.popularity):
            raise TrainingError(f"popularity must be finite, not {self.popularity}", option="popularity")
        if not 0 <= self.distill <= 1:
            raise TrainingError(f"distill is a weight, 0 to 1, not {self.distill}", option="distill")
        if not 0 < self.hidden < 1:
            raise TrainingError(f"hidden is a share, above 0 and below 1, not {self.hidden}", option="hidden")
        if not 0 <= self.unknown < 1:
            raise TrainingError(f"unknown is a share, 0 to below 1, not {self.unknown}", option="unknown")

    def part(self, begin: int, end: int) -> FitOptions:
        """Epochs begin + 1 to end of this training as one of its own: the learning rate is what it would be there. Its
        checkpoint stands beside that of the whole."""
        saved = self.checkpoint
        return replace(
            self,
            epochs=end - begin,
            before=self.before + begin,
            of=self.of or self.before + self.epochs,
            checkpoint=None if saved is None else saved.with_name(f"{saved.name}.{begin}-{end}"),
        )


def _whole(name: str, value: Any) -> int:
    """The value as an int. Raises TrainingError where it is no whole number."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if number and math.isfinite(value) and value == math.floor(value):
        return int(value)
    raise TrainingError(f"{name} is a whole number, not {value!r}", option=name)
