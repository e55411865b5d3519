"""inverse(): what a symmetric map takes to the given values."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["inverse"]

STEPS = 200
"""Most steps; with eigenvalues from 0.1 to 1 some 30 are enough."""

LOST = 16
"""Roundings: where the map leaves less than so many of what is left of a column, no x reaches it."""


def inverse(mapped: Callable[[Tensor], Tensor], values: Tensor, close: float = 1e-10) -> Tensor:
    """x with mapped(x) as near to the values as it can be, (rows, columns), each column by itself, by conjugate
    residuals (Saad 2003, section 6.8).

    `mapped` is linear, symmetric and has no eigenvalue below 0. A column is done when the square of what is left,
    or of what of it could still be reached, is `close` times that of its values, or when the map takes all of what is
    left to nothing but for roundings: steps along those would lead anywhere.
    """
    values = values.detach().to(torch.promote_types(values.dtype, torch.float32))
    out = values.clone()
    rest = values - mapped(out)
    turned = mapped(rest)
    way, way_turned = rest.clone(), turned.clone()
    much, tiny = (rest * turned).sum(0), torch.finfo(values.dtype).tiny
    lost = LOST * torch.finfo(values.dtype).eps
    goal = close * (values**2).sum(0)
    for _ in range(STEPS):
        left = (rest * rest).sum(0)
        done = (left <= goal) | (much <= goal) | (much <= lost * left)
        if bool(done.all()):
            break
        length = (much / (way_turned * way_turned).sum(0).clamp(min=tiny)).masked_fill(done, 0.0)
        out += length * way
        rest -= length * way_turned
        turned = mapped(rest)
        before, much = much, (rest * turned).sum(0).clamp(min=0.0)
        share = much / before.clamp(min=tiny)
        way, way_turned = rest + share * way, turned + share * way_turned
    return out
