"""Samples: the training data as tensors, and the loss of a few of them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Samples", "checksum"]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """size: number of samples; loss(rows, generator): mean loss of those rows, whatever is drawn from the generator;
    checksum: of what they are, so that a training never goes on with other data."""

    size: int
    loss: Callable[[Tensor, torch.Generator], Tensor]
    checksum: int


def checksum(parts: Iterable[Tensor | NDArray[Any]]) -> int:
    """One number for the contents of some tensors or arrays, in their order."""
    value = 0
    for part in parts:
        if isinstance(part, Tensor):
            if not part.numel():
                continue
            part = part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        value = zlib.crc32(np.ascontiguousarray(part).data, value)
    return value
