"""steady(): rows that turn while they learn, and stay as long as they are."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from recprune.training.mapped import mapped

__all__ = ["steady"]

TINY = 1e-12


def steady(model: Any) -> contextlib.AbstractContextManager[None]:
    """Inside, the rows of some tables (n, dim) keep the lengths that they have, and their directions are trained:
    weight normalisation without a gradient of the lengths (Salimans & Kingma 2016, equation 2). Afterwards the tables
    are plain parameters again.

    Which tables, says `model.steady()`; a model without it is left as it is. Rows of zeros stay zeros.
    """
    names, lengths = model.steady() if hasattr(model, "steady") else (), list[Tensor]()
    if not names:
        return contextlib.nullcontext()

    def forth(them: Sequence[Tensor]) -> list[Tensor]:
        return [each * (long / _lengths(each).clamp(min=TINY)) for each, long in zip(them, lengths, strict=True)]

    def back(them: Sequence[Tensor]) -> Sequence[Tensor]:
        lengths[:] = [_lengths(each) for each in them]
        return them

    return mapped(model, names, forth, back)


def _lengths(rows: Tensor) -> Tensor:
    found: Tensor = rows.norm(dim=1, keepdim=True)
    return found
