"""What the loss bends by when a unit leaves: the second moment over the rows of its first-order change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.importance.passes import Batch, Gradients, Loss, gradient_passes, pieces, rows_of
from recprune.importance.sweep import first_order, learnable
from recprune.tracing.site import Site

__all__ = ["second_moments"]


def second_moments(
    model: nn.Module,
    sites: Sequence[Site],
    features: frozenset[str],
    batches: Sequence[Batch],
    loss: Loss,
    passes: int,
) -> Mapping[str, Tensor]:
    """Site -> (size,) float64 mean over the rows of d², d = sum of g · (w - w afterwards) with a row's own gradient g.

    The rows go through in `passes` pieces, up to one more a batch. A piece of n rows shows the mean D of its n values
    d, whose variance is a n-th of theirs, so that s² = sum of n (D - mean)² / (pieces - 1) is their variance whatever n
    is, and s² + mean² - s² / rows their mean square. With a row a piece this is the mean of d² itself.
    Raises SurveyError for several rows in one piece.
    """
    parts = pieces(model, batches, passes)
    parameters, rows = learnable(model), sum(rows_of(part) for part in parts)
    if len(parts) < 2 <= rows:
        raise SurveyError(
            f"the {rows:,} rows of the batch cannot be parted for this model, and one piece shows no variance: give "
            "the probe two batches or more, or take the rule taylor",
            rows=rows,
        )
    first = {site.name: torch.zeros(site.size, dtype=torch.float64) for site in sites}
    squares = {name: torch.zeros_like(zeros) for name, zeros in first.items()}

    def note(batch: Batch, now: Gradients) -> None:
        for site in sites:
            change = first_order(site, parameters, now, features)
            first[site.name] += change * rows_of(batch)
            squares[site.name] += change.square() * rows_of(batch)

    gradient_passes(model, parts, loss, note)
    return {name: _mean_square(first[name], squares[name], len(parts), rows) for name in first}


def _mean_square(total: Tensor, squares: Tensor, parts: int, rows: int) -> Tensor:
    mean = total / max(rows, 1)
    variance = (squares - rows * mean.square()).clamp(min=0) / max(parts - 1, 1)
    return variance * (1 - 1 / max(rows, 1)) + mean.square()
