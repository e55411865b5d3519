"""Numbers of a few bits each, one after the other in bytes, the lowest bit first."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["fields", "packed", "read", "unpacked"]


def packed(bits: Tensor) -> Tensor:
    """uint8, eight bits a byte, the first the lowest; the last byte is filled up with zeros."""
    flat = bits.reshape(-1).to(torch.uint8)
    bytes_ = F.pad(flat, (0, -len(flat) % 8)).view(-1, 8) << torch.arange(8, dtype=torch.uint8, device=bits.device)
    return bytes_.sum(1).to(torch.uint8)


def unpacked(bytes_: Tensor) -> Tensor:
    """(8 * bytes,) uint8 0 or 1."""
    return ((bytes_[:, None] >> torch.arange(8, dtype=torch.uint8, device=bytes_.device)) & 1).reshape(-1)


def fields(numbers: Tensor, widths: Tensor) -> Tensor:
    """uint8, the low bits of each number, so many as its width says, 31 at most; the last byte is filled up with zeros.

    No two of them share a bit, so that adding them up joins them.
    """
    ends = widths.cumsum(0)
    begins, bits = ends - widths, int(ends[-1]) if len(ends) else 0
    wide = (numbers & ((torch.ones_like(widths) << widths) - 1)) << (begins & 31)
    words = torch.zeros(bits // 32 + 2, dtype=torch.int64)
    words.scatter_add_(0, begins >> 5, wide & 0xFFFFFFFF)
    words.scatter_add_(0, (begins >> 5) + 1, wide >> 32)
    return torch.from_numpy(words.numpy().astype("<u4").view(np.uint8)[: -(-bits // 8)].copy())


def read(bytes_: Tensor, begins: Tensor, widths: Tensor | int, most: int) -> Tensor:
    """The numbers of so many bits each, `most` at most, that begin at those bits. What is behind the bytes is zero."""
    reach = -(-(most + 7) // 8)
    padded = F.pad(bytes_, (0, reach)).long()
    byte, out = begins >> 3, torch.zeros_like(begins)
    for place in range(reach):
        out |= padded[byte + place] << (8 * place)
    ones = (1 << widths) - 1 if isinstance(widths, int) else (torch.ones_like(widths) << widths) - 1
    return (out >> (begins & 7)) & ones
