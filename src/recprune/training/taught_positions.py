"""What a teacher says at every position of a window, learned over all items or over drawn ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parametrize

from recprune.data.dataset import Dataset
from recprune.training.draw import sampler
from recprune.training.options import FitOptions
from recprune.training.positives import same_moments, sequence_length
from recprune.training.softmax_of_all import Workspace, taught_softmax_of_all
from recprune.training.softmax_of_some import taught_softmax_of_some
from recprune.training.teacher import Teacher
from recprune.training.windows import Loss, Windows, blocks, learns_all_positions, parted

__all__ = ["can_teach", "taught_positions"]


@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    """windows: what the model reads and finds; read (n, length): what is shown there, in the codes of the teacher."""

    model: Any
    teacher: Teacher
    windows: Windows
    read: Tensor

    def answers(self, rows: Tensor, unknown: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """(n, dim) states of the model and of the teacher, (n,) targets: wherever something is wanted in a batch."""
        mine, places = self.windows.batch(rows, unknown, generator)
        parts = mine.parts(places)
        with torch.no_grad():
            said = mine.states(self.teacher.model, self.read if mine is self.windows else self.read[rows], parts)
        return mine.states(self.model, mine.shown, parts), said, mine.targets(parts)

    def catalogue(self) -> Tensor:
        """The teacher's rows of the items that the model has, in the model's codes."""
        with torch.no_grad(), self.teacher.at_rest():
            return self.teacher.of_mine(self.teacher.model.catalogue().T).T.contiguous()


def taught_positions(
    model: Any, data: Dataset, loss: str, options: FitOptions, teacher: Teacher, windows: Windows, moments: Tensor
) -> Loss:
    """loss: "softmax" or "sampled_softmax"; moments: as `windows_of` gives them, of the windows."""
    lesson = _Lesson(model, teacher, windows, _as_taught(data, teacher, moments).to(windows.shown.device))
    return _full(lesson, options) if loss == "softmax" else _sampled(lesson, data, options)


def _full(lesson: _Lesson, options: FitOptions) -> Loss:
    spaces, theirs, teacher = _spaces(lesson.read.device), lesson.catalogue(), lesson.teacher

    def learned(rows: Tensor, generator: torch.Generator) -> Tensor:
        with parametrize.cached():
            items, (found, said, target) = lesson.model.catalogue(), lesson.answers(rows, options.unknown, generator)
        total, n = found.new_zeros(()), len(target)
        for some in blocks(n, len(items)):
            given, weigh = (said[some], theirs), (teacher.share, teacher.temperature)
            loss = taught_softmax_of_all(found[some], items, target[some], given, *weigh, spaces)
            total = total + len(target[some]) * loss
        return lesson.windows.alike(total / n, rows, n)

    return learned


def _sampled(lesson: _Lesson, data: Dataset, options: FitOptions) -> Loss:
    where, teacher, theirs = lesson.read.device, lesson.teacher, lesson.catalogue()
    (log_q, draw), spaces = sampler(data.histories(), options.popularity, where), _spaces(where)

    def learned(rows: Tensor, generator: torch.Generator) -> Tensor:
        with parametrize.cached():
            items, (found, said, target) = lesson.model.catalogue(), lesson.answers(rows, options.unknown, generator)
        drawn, n = draw((options.negatives,), generator), len(target)
        some = items[torch.cat([target, drawn])]
        mine, taught = (found, some[:n], some[n:]), (said, theirs[target], theirs[drawn])
        weigh = teacher.share, teacher.temperature
        loss = taught_softmax_of_some(mine, taught, log_q[drawn], (target, drawn), *weigh, spaces)
        return lesson.windows.alike(loss, rows, n)

    return learned


def can_teach(teacher: Teacher, model: Any) -> bool:
    """Whether a model learns what a teacher says at every position: both read as far back, and no table lies in
    shards."""
    both = teacher.model, model
    fit = all(learns_all_positions(one) and parted(one) is None for one in both)
    return fit and sequence_length(teacher.model) == sequence_length(model)


def _as_taught(data: Dataset, teacher: Teacher, moments: Tensor) -> Tensor:
    """What is shown, in the codes of the teacher."""
    places = np.arange(len(data.histories().items))
    histories, where = same_moments(data, teacher.data, places)
    items = np.concatenate([[0], histories.items[where]])
    return torch.from_numpy(items.astype(np.int64))[moments]


def _spaces(where: torch.device) -> tuple[Workspace, Workspace, Workspace]:
    return Workspace.on(where), Workspace.on(where), Workspace.on(where)
