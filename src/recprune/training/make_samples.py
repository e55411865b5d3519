"""make_samples(): a dataset as samples for a model, by the loss that suits."""

from __future__ import annotations

from typing import Any

from recprune.data.dataset import Dataset
from recprune.errors import TrainingError
from recprune.models.recommender import ranks_items
from recprune.training.all_positions import position_samples
from recprune.training.constraint import constraint_samples
from recprune.training.options import FitOptions, Loss
from recprune.training.positives import positive_samples
from recprune.training.rows import row_samples
from recprune.training.samples import Samples
from recprune.training.taught_positions import can_teach
from recprune.training.teacher import Teacher
from recprune.training.whole_histories import history_samples
from recprune.training.windows import learns_all_positions

__all__ = ["make_samples", "usual_loss"]

FULL_SOFTMAX_ITEMS = 20_000
"""Up to this many items a softmax over all of them is the usual loss; above, a sampled one."""

ALL_POSITIONS_ITEMS = 100_000
"""The same for models that learn from all positions of a sequence at once, whose softmax keeps no scores."""


def usual_loss(model: Any, data: Dataset) -> Loss:
    """The loss that suits: bce for labels, mse for ratings, a softmax over the items for models that rank them.

    Models of whole histories learn by `multinomial`, those with a method `constraints` by `constraint`; those that
    score a few items (`query` and `match`) use the sampled softmax above 20,000 items, those that learn from all
    positions of a sequence (`states`) above 100,000. Raises TrainingError where there is nothing to learn from.
    """
    if ranks_items(model):
        if hasattr(model, "constraints"):
            return "constraint"
        if "history" in model.columns:
            return "multinomial"
        most = ALL_POSITIONS_ITEMS if learns_all_positions(model) else FULL_SOFTMAX_ITEMS
        return "sampled_softmax" if data.n_items > most and hasattr(model, "match") else "softmax"
    if "label" in data.columns:
        return "bce"
    if "rating" in data.columns:
        return "mse"
    raise TrainingError(
        f"a model of {', '.join(model.columns)} learns from a label or a rating, and the data has neither; "
        "draw negatives first (recprune prepare --negatives 4; recprune.data.negatives.with_negatives)"
    )


def make_samples(model: Any, data: Dataset, options: FitOptions, teacher: Teacher | None = None) -> Samples:
    """A dataset as the model's samples; with a teacher their loss is mixed with that of its soft targets.

    A model that answers at every position of a sequence learns from whole windows; by bpr, and from a teacher that does
    not answer so, from one positive interaction a sample, as the others do.
    Raises TrainingError where the loss does not suit the model, and where all labels are one.
    """
    loss = options.loss or usual_loss(model, data)
    if (loss in ("bce", "mse")) == ranks_items(model):
        raise TrainingError(f"the loss {loss!r} does not suit a model of the columns {model.columns}", loss=loss)
    if loss == "bce" and teacher is None:
        _refuse_one_class(data)
    if loss in ("bce", "mse"):
        return row_samples(model, data, loss, options.unknown, teacher)
    if loss == "multinomial":
        if options.unknown:
            raise TrainingError(
                f"unknown={options.unknown} hides codes of fields, users and sequences, and {type(model).__name__} "
                "reads whole histories, of which the share `hidden` is hidden; leave unknown at 0",
                option="unknown",
            )
        return history_samples(model, data, options.hidden, teacher)
    if loss == "constraint":
        return _constrained(model, data, options, teacher)
    if learns_all_positions(model) and loss != "bpr" and (teacher is None or can_teach(teacher, model)):
        return position_samples(model, data, loss, options, teacher)
    return positive_samples(model, data, loss, options, teacher)


def _refuse_one_class(data: Dataset) -> None:
    labels = data["label"]
    if len(labels) and bool((labels == labels[0]).all()):
        raise TrainingError(
            f"all {len(labels):,} labels of train are {float(labels[0]):g}, and a model of one class learns nothing: "
            "split the data otherwise, or draw negatives first (recprune prepare --negatives 4; "
            "recprune.data.negatives.with_negatives)",
            label=float(labels[0]),
        )


def _constrained(model: Any, data: Dataset, options: FitOptions, teacher: Teacher | None) -> Samples:
    if not hasattr(model, "constraints") or teacher is not None:
        why = f"{type(model).__name__} has no method `constraints`" if teacher is None else "it takes no teacher"
        raise TrainingError(f"not by the loss 'constraint': {why}; use 'bpr' or 'sampled_softmax'", loss="constraint")
    return constraint_samples(model, data, options)
