"""Two answers compared, and a longer batch to compare them on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recprune.tracing.inputs import Example, changed, laid_flat, parts_of
from recprune.tracing.site import Kind, Survey

__all__ = ["difference", "larger_batch"]


def larger_batch(survey: Survey, example: Example, columns: Sequence[str]) -> Any:
    """The example as a longer batch; ids are drawn from the whole vocabulary where that is known."""
    generator = torch.Generator().manual_seed(0)
    sizes = {column: s.size + 1 for s in survey.sites if s.kind is Kind.ID for column in s.columns}
    rows = next((len(x) for x in laid_flat(example).values() if x.dim()), 0)

    def longer(column: str, value: Tensor) -> Tensor:
        if not value.dim() or len(value) != rows:
            return value
        out = value[torch.arange(2 * rows + 1, device=value.device) % rows]
        if column not in sizes and _starts(value, rows):
            return out + rows * (torch.arange(2 * rows + 1, device=value.device) // rows).to(value.dtype)
        if column in sizes:
            return torch.randint(sizes[column], out.shape, generator=generator).to(value)
        parts = [(j, f"{column}.{j}") for j in range(value.shape[1])] if value.dim() == 2 else []
        for j, part in ((j, part) for j, part in parts if part in sizes):
            out[:, j] = torch.randint(sizes[part], (len(out),), generator=generator).to(value)
        return out

    return changed(example, longer, columns)


def _starts(value: Tensor, rows: int) -> bool:
    """Whether numbers may say where bags of ids begin among so many: then they go on rising in a longer batch."""
    if value.dim() != 1 or value.is_floating_point() or value.dtype == torch.bool or rows < 2:
        return False
    return int(value[0]) == 0 and 0 < int(value.max()) < rows and bool((value.diff() >= 0).all())


def difference(before: Any, after: Any) -> float:
    """Largest absolute difference between two outputs, over max(1, largest number); infinite where shapes, keys or
    types differ."""
    if not isinstance(before, Tensor) or not isinstance(after, Tensor):
        if type(before) is not type(after):
            return math.inf
        if isinstance(before, int | float):
            return difference(torch.tensor(before), torch.tensor(after))
        here, there = dict(parts_of(before)), dict(parts_of(after))
        if here.keys() != there.keys():
            return math.inf
        return max((difference(part, there[key]) for key, part in here.items()), default=0.0)
    if before.shape != after.shape:
        return math.inf
    if not before.numel():
        return 0.0
    one, other = before.double(), after.double()
    equal = (one == other) | (one.isnan() & other.isnan())
    same = torch.where(equal, torch.zeros_like(one), (one - other).abs())
    finite = one[one.isfinite()].abs()
    worst = float(same.max()) / max(1.0, float(finite.max()) if finite.numel() else 1.0)
    return worst if math.isfinite(worst) else math.inf
