"""Teacher: a larger model whose answers a smaller one learns from. Hinton et al. 2015, "Distilling the Knowledge"."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recprune.data.dataset import Dataset
from recprune.errors import TrainingError
from recprune.evaluation.inputs import Renumber, device_of
from recprune.models.recommender import ranks_items
from recprune.training.samples import checksum

__all__ = ["Teacher"]


@dataclass(frozen=True, slots=True, eq=False)
class Teacher:
    """A trained model and what it is to teach.

    data: the training part in the codes that the teacher knows, row by row that of the model that learns. renumber:
    column -> the learner's code of each of them, for columns whose ids left. share: weight of the teacher's part of the
    loss; temperature: by which the scores of both are divided there.
    """

    model: Any
    data: Dataset
    renumber: Renumber
    share: float
    temperature: float
    _items: Tensor | None = field(init=False)

    def __post_init__(self) -> None:
        new = self.renumber.get("item")
        object.__setattr__(
            self, "_items", None if new is None else torch.from_numpy(_old_codes(new)).to(device_of(self.model))
        )

    def mixed(self, hard: Tensor, soft: Tensor) -> Tensor:
        """(1 - share) hard + share soft."""
        return (1 - self.share) * hard + self.share * soft

    def of_mine(self, items: Tensor) -> Tensor:
        """(batch, the teacher's items) -> (batch, the learner's items)."""
        return items if self._items is None else items[:, self._items]

    @torch.no_grad()
    def scores(self, inputs: Sequence[Tensor], items: Tensor | None = None) -> Tensor:
        """The teacher's scores of all items that the learner has, or of some: `items` (batch, m), in its codes."""
        if items is None:
            return self.of_mine(self.model(*inputs))
        items = items if self._items is None else self._items[items]
        if hasattr(self.model, "query") and hasattr(self.model, "match"):
            found: Tensor = self.model.match(self.model.query(*inputs), items)
            return found
        some: Tensor = self.model(*inputs).gather(1, items)
        return some

    def checksum(self) -> int:
        """Of all its numbers, so that a training never goes on with another teacher."""
        return checksum(self.model.state_dict().values())

    def suits(self, learner: Any) -> None:
        """Raise TrainingError where the one cannot learn from the other."""
        if self.model is learner:
            raise TrainingError("a model cannot be its own teacher; give a copy of it, or the model it was cut from")
        if ranks_items(self.model) != ranks_items(learner):
            raise TrainingError(
                f"a model of {learner.columns} cannot learn from one of {self.model.columns}: one ranks the items of a "
                "user, the other scores rows"
            )

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """In eval mode, and afterwards as it was."""
        was_training = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(was_training)


def _old_codes(new: NDArray[np.int64]) -> NDArray[np.int64]:
    """(learner's codes,) the old code of each; 0 stays 0."""
    old = np.zeros(int(new.max()) + 1, dtype=np.int64)
    stays = np.flatnonzero(new)
    old[new[stays]] = stays
    return old
