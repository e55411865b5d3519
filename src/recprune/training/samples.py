"""Samples: the training data as tensors, and the loss of a few of them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Samples", "checksum"]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """size: number of samples; loss(rows, generator): mean loss of those rows, whatever is drawn from the generator;
    checksum: of what they are, so that a training never goes on with other data."""

    size: int
    loss: Callable[[Tensor, torch.Generator], Tensor]
    checksum: int


def checksum(tensors: Iterable[Tensor]) -> int:
    """One number for the contents of some tensors, in their order."""
    value = 0
    for tensor in tensors:
        value = zlib.crc32(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data, value)
    return value
