"""MeanOf: several models that answer as one, to be learned from. Lakshminarayanan et al. 2017, "Deep Ensembles"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from recprune.errors import TrainingError

__all__ = ["MeanOf"]


class MeanOf(nn.Module):
    """The mean of the scores of models of one kind, trained apart: the odds of a click, or the shares of a softmax over
    items, are then the geometric means of theirs. As a teacher it tells a model more than any of them does (Hinton et
    al. 2015, section 3); it is as slow and as large as all of them together.

    forward: the columns of the first model -> scores of the same shape. Raises TrainingError for no model, or models of
    other columns.

    >>> fit(small, split, FitOptions(distill=0.8, temperature=2.0), teacher=MeanOf(trained))
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        if not models:
            raise TrainingError("a mean of no models; give one or more")
        self.columns: tuple[str, ...] = tuple(models[0].columns)  # type: ignore[arg-type]
        for model in models[1:]:
            if set(model.columns) != set(self.columns):  # type: ignore[arg-type]
                raise TrainingError(
                    f"no mean of models that take {', '.join(self.columns)} and {', '.join(model.columns)}: "  # type: ignore[arg-type]
                    "all take the same columns"
                )
        self.models = nn.ModuleList(models)

    @classmethod
    def of(cls, models: Sequence[nn.Module]) -> nn.Module:
        """The mean, or the model itself where there is one: it may score a few items without scoring all."""
        return models[0] if len(models) == 1 else cls(models)

    @property
    def length(self) -> int:
        """How many items back the model looks that looks back furthest."""
        found: Any = max(getattr(model, "length", 0) for model in self.models)
        return int(found)

    def forward(self, *columns: Tensor) -> Tensor:
        there = dict(zip(self.columns, columns, strict=True))
        return torch.stack([model(*_taken(model, there)) for model in self.models]).mean(0)


def _taken(model: Any, there: dict[str, Tensor]) -> list[Tensor]:
    """In the model's order; of a sequence no more than it looks back."""
    back = getattr(model, "length", 0)
    return [there[name][:, -back:] if name == "sequence" else there[name] for name in model.columns]
