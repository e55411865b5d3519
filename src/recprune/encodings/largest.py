"""The largest of very many numbers, by counting their leading bits instead of sorting them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["BLOCK", "largest"]

BLOCK = 1 << 22
"""Numbers that are looked at together."""

DIGIT = 16
"""Bits that one pass over the numbers settles."""


def largest(numbers: Tensor, count: int) -> Tensor:
    """(count,) int64 the places of the largest of a row of floats, ascending; of equal ones those that stand last.

    Held are the result and blocks of 4 million numbers, whatever there are. Two passes find the threshold of numbers of
    32 bits, four that of 64, and one more collects what is above it. NaN has no place in an order and must not occur.
    """
    numbers = numbers.detach().reshape(-1)
    if numbers.dtype not in (torch.float32, torch.float64):
        numbers = numbers.float()
    if count >= len(numbers):
        return torch.arange(len(numbers))
    if count <= 0:
        return torch.empty(0, dtype=torch.int64)
    threshold, equal, wanted = _threshold(numbers, count)
    found, skip = [], equal - wanted
    for begin in range(0, len(numbers), BLOCK):
        keys = _keys(numbers[begin : begin + BLOCK])
        stays = keys >= threshold
        if skip:
            ties = (keys == threshold).nonzero().flatten()
            stays[ties[:skip]] = False
            skip -= min(skip, len(ties))
        found.append(stays.nonzero().flatten() + begin)
    return torch.cat(found)


def _threshold(numbers: Tensor, wanted: int) -> tuple[int, int, int]:
    """The key of the smallest number that stays, how many have it, and how many of those stay."""
    prefix, equal, bits = 0, 0, 8 * numbers.element_size()
    for shift in range(bits - DIGIT, -1, -DIGIT):
        first = shift + DIGIT == bits
        counts = torch.zeros(1 << DIGIT, dtype=torch.int64)
        for block in torch.split(numbers, BLOCK):
            keys = _keys(block)
            inside = keys if first else keys[keys >> (shift + DIGIT) == prefix]
            counts += torch.bincount(_digit(inside, shift, first), minlength=1 << DIGIT)
        above = counts.flip(0).cumsum(0)
        place = int((above >= wanted).to(torch.uint8).argmax())
        digit = len(counts) - 1 - place
        equal = int(counts[digit])
        wanted -= int(above[place]) - equal
        prefix = digit - (1 << (DIGIT - 1)) if first else (prefix << DIGIT) + digit
    return prefix, equal, wanted


def _keys(block: Tensor) -> Tensor:
    """int64 that are in the same order as the floats."""
    bits = (block + 0.0).view(torch.int32 if block.dtype is torch.float32 else torch.int64)
    most = torch.iinfo(bits.dtype).max
    return torch.where(bits < 0, bits ^ most, bits).long()


def _digit(keys: Tensor, shift: int, first: bool) -> Tensor:
    digit = keys >> shift
    return digit + (1 << (DIGIT - 1)) if first else digit & ((1 << DIGIT) - 1)
