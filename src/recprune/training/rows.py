"""Samples of models that score rows: one a row of the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recprune.data.dataset import Dataset
from recprune.evaluation.evaluate import row_scores
from recprune.evaluation.inputs import device_of, row_inputs
from recprune.training import losses, soft_losses
from recprune.training.draw import forgotten
from recprune.training.samples import Samples, checksum
from recprune.training.teacher import Teacher

__all__ = ["row_samples"]


_LAST: list[tuple[Dataset, tuple[type, int], Tensor]] = []


def row_samples(model: Any, data: Dataset, loss: str, unknown: float, teacher: Teacher | None = None) -> Samples:
    """One sample a row of the data; unknown: share of the codes that are replaced by 0.

    loss: "bce" against the label or "mse" against the rating. The teacher scores all rows once, with every code in its
    place.
    """
    target = torch.from_numpy(np.require(data["label" if loss == "bce" else "rating"], np.float32, ["C", "W"]))
    row_inputs(model, data, slice(0, 0))  # says what is missing
    columns = [torch.from_numpy(np.require(data[name], requirements=["C", "W"])) for name in model.columns]
    codes = [not column.is_floating_point() for column in columns]
    where, hard, soft = device_of(model), getattr(losses, loss), getattr(soft_losses, loss)
    taught = None if teacher is None else _told(teacher)

    def of(rows: Tensor, generator: torch.Generator) -> Tensor:
        batch = [column.index_select(0, rows) for column in columns]
        batch = [forgotten(b, unknown, generator) if c else b for b, c in zip(batch, codes, strict=True)]
        scores = model(*(column.to(where) for column in batch))
        value: Tensor = hard(scores, target.index_select(0, rows).to(where))
        if teacher is None or taught is None:
            return value
        return teacher.mixed(value, soft(scores, taught[rows].to(where), teacher.temperature))

    return Samples(len(data), of, checksum([*columns, target]))


def _told(teacher: Teacher) -> Tensor:
    """(rows,) the teacher's scores of all rows, asked once for trainings that follow each other, as stops of a frontier
    do: those of the last teacher are kept, and hold for the same rows and the same numbers."""
    sum_of = teacher.checksum()
    if not (_LAST and _LAST[0][0] is teacher.data and _LAST[0][1] == (type(teacher.model), sum_of)):
        scores = torch.from_numpy(row_scores(teacher.model, teacher.data)).float()
        _LAST[:] = [(teacher.data, (type(teacher.model), sum_of), scores)]
    return _LAST[0][2]
