"""Numbers of a few bits each, one after the other in bytes, the lowest bit first."""

from __future__ import annotations

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
    """(sum of widths,) uint8 0 or 1: of each number so many of its low bits."""
    ends = widths.cumsum(0)
    out = torch.zeros(int(ends[-1]) if len(ends) else 0, dtype=torch.uint8)
    at, place = ends - widths, 0
    while bool((has := widths > place).any()):
        at, numbers, widths, place = at[has], numbers[has], widths[has], place + 1
        out[at + (place - 1)] = ((numbers >> (place - 1)) & 1).to(torch.uint8)
    return out


def read(bytes_: Tensor, begins: Tensor, widths: Tensor | int, most: int) -> Tensor:
    """The numbers of so many bits each, `most` at most, that begin at those bits. What is behind the bytes is zero."""
    reach = -(-(most + 7) // 8)
    padded = F.pad(bytes_, (0, reach)).long()
    byte, out = begins >> 3, torch.zeros_like(begins)
    for place in range(reach):
        out |= padded[byte + place] << (8 * place)
    ones = (1 << widths) - 1 if isinstance(widths, int) else (torch.ones_like(widths) << widths) - 1
    return (out >> (begins & 7)) & ones
