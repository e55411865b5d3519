"""rank_fields: by how much the loss rises when a column is shuffled, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.importance.passes import Batch, Loss, as_it_was, row_losses, rows_of

__all__ = ["FieldImportance", "column_names", "rank_fields"]

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FieldImportance:
    """names: of the columns, or of groups of them. mean: (names,) rise of the mean loss without what they say.
    standard_error: (names,) of it, over other rows of the same sort. loss: with every column in its place.
    """

    names: tuple[str, ...]
    mean: Numbers
    standard_error: Numbers
    loss: float
    rows: int
    repeats: int

    def interval(self, level: float = 0.95) -> tuple[Numbers, Numbers]:
        """Lower and upper limit, by the normal quantile."""
        reach = NormalDist().inv_cdf((1 + level) / 2) * self.standard_error
        return self.mean - reach, self.mean + reach

    def of(self, name: str) -> tuple[float, float]:
        """Mean and standard error of one. Raises SurveyError for a name that was not ranked."""
        if name not in self.names:
            raise SurveyError(f"{name!r} was not ranked; there are: {', '.join(self.names)}", name=name)
        place = self.names.index(name)
        return float(self.mean[place]), float(self.standard_error[place])


def rank_fields(
    model: nn.Module,
    batches: Sequence[Batch],
    loss: Loss,
    groups: Mapping[str, Sequence[str]] | None = None,
    *,
    repeats: int = 5,
    seed: int = 0,
) -> FieldImportance:
    """Shuffle each input column over the rows and measure the rise of the loss, `repeats` times.

    batches: of rows that the model was not trained on: what was learned by heart looks useful on train. Where a column
    says nothing about the target and the other columns, its rise is 0 in the mean over such rows, whatever the model
    has made of it. groups: name -> columns that are shuffled together, row with row; each column alone when None. All
    are shuffled in the same `repeats` orders; in each, all rows stand in one ring and take what the next one has, so
    that no row keeps its own. Breiman 2001 (Random Forests), section 10.

    The rise is a mean over pairs (row, row whose value it takes), and a row counts in both parts: with d_ij the rise
    of row i's loss with the value of row j, the standard error is that of the mean over the rows of
    mean_j d_ij + mean_j d_ji (Hoeffding 1948, section 5; the rise as such a statistic: Fisher, Rudin and Dominici 2019,
    section 3). The loss must be a mean over rows.
    Raises SurveyError for a column that is no input of the model, for fewer than 2 rows, and for no repeat.
    """
    inputs = [torch.cat(parts) for parts in zip(*(columns for columns, _ in batches), strict=True)]
    target = torch.cat([target for _, target in batches])
    if len(target) < 2 or repeats < 1:
        raise SurveyError(
            f"a column is shuffled over 2 rows or more, once or more often; got {len(target)} rows, repeats={repeats}",
            rows=len(target),
            repeats=repeats,
        )
    known = column_names(model, len(inputs))
    groups = groups or {name: (name,) for name in known}
    places = {name: [_place(known, column) for column in columns] for name, columns in groups.items()}
    size = max(rows_of(batch) for batch in batches)
    with as_it_was(model), torch.no_grad():
        before = _losses(model, inputs, target, loss, size)
        found = {name: torch.zeros(2, len(target), dtype=torch.float64) for name in groups}
        for donors in _rings(len(target), repeats, seed):
            for name, moved in places.items():
                changed = [x[donors] if place in moved else x for place, x in enumerate(inputs)]
                rise = (_losses(model, changed, target, loss, size) - before) / repeats
                found[name][0] += rise
                found[name][1][donors] += rise
    mean = np.array([float(rises[0].mean()) for rises in found.values()])
    error = np.array([float(rises.sum(0).std()) / len(target) ** 0.5 for rises in found.values()])
    return FieldImportance(tuple(groups), mean, error, float(before.mean()), len(target), repeats)


def column_names(model: nn.Module, inputs: int) -> tuple[str, ...]:
    """The names of the model's inputs: its `columns`, or input0, input1, ... where it does not say."""
    columns: tuple[str, ...] = getattr(model, "columns", ())
    return columns if len(columns) == inputs else tuple(f"input{number}" for number in range(inputs))


def _place(known: Sequence[str], column: str) -> int:
    if column not in known:
        raise SurveyError(f"{column!r} is no input of the model; there are: {', '.join(known)}", column=column)
    return known.index(column)


def _rings(rows: int, repeats: int, seed: int) -> list[Tensor]:
    """For each repeat (rows,) the row whose value each row takes: the next one of a ring in a drawn order."""
    generator = torch.Generator().manual_seed(seed)
    donors = []
    for _ in range(repeats):
        order = torch.randperm(rows, generator=generator)
        ring = torch.empty_like(order)
        ring[order] = order.roll(-1)
        donors.append(ring)
    return donors


def _losses(model: nn.Module, inputs: Sequence[Tensor], target: Tensor, loss: Loss, size: int) -> Tensor:
    """(rows,) float64 loss of each row, `size` rows at a time."""
    parts = [
        row_losses(model(*(x[begin : begin + size] for x in inputs)), target[begin : begin + size], loss)
        for begin in range(0, len(target), size)
    ]
    return torch.cat(parts).double().cpu()
