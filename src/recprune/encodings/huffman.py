"""Prefix codes of a limited length, written down by their lengths alone. Larmore and Hirschberg 1990; Huffman 1952."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["LIMIT", "code_lengths", "code_words", "look_up"]

LIMIT = 12
"""Bits of a word at most."""

SYMBOL = 6
"""Bits of a symbol in what `look_up` gives."""


def code_lengths(counts: Sequence[int]) -> list[int]:
    """Bits of the word of each symbol, 1 to LIMIT, 0 for those that never occur: the sum of counts * bits is smallest.

    Package-merge (Larmore and Hirschberg 1990, section 2): LIMIT times what is there is paired, cheapest first, and put
    beside the single symbols; a symbol has a bit for every time that it stands among the first 2 n - 2.
    """
    found: list[tuple[int, tuple[int, ...]]] = [(count, (symbol,)) for symbol, count in enumerate(counts) if count]
    single = sorted(found)
    level, out = single, [0] * len(counts)
    for _ in range(LIMIT - 1):
        pairs = zip(level[::2], level[1::2], strict=False)
        level = sorted([*single, *((a[0] + b[0], a[1] + b[1]) for a, b in pairs)])
    for _, symbols in level[: max(2 * len(single) - 2, len(single))]:
        for symbol in symbols:
            out[symbol] += 1
    return out if len(single) > 1 else [min(bits, 1) for bits in out]


def code_words(lengths: Tensor) -> Tensor:
    """(tables, symbols) words, whose first bit is the lowest, of lengths (tables, symbols): the canonical ones, shorter
    before longer, then by symbol."""
    order = torch.where(lengths > 0, lengths, LIMIT + 1).sort(dim=1, stable=True)
    step = torch.where(order.values <= LIMIT, 1 << (LIMIT - order.values).clamp(min=0), 0)
    first = step.cumsum(1) - step
    turned = torch.zeros_like(first)
    for place in range(LIMIT):
        turned |= ((first >> place) & 1) << (LIMIT - 1 - place)
    return torch.zeros_like(turned).scatter_(1, order.indices, turned)


def look_up(lengths: Tensor) -> Tensor:
    """(tables * 2^LIMIT,) int64: for the next LIMIT bits of a stream, the symbol, and on top of it the bits that its
    word takes; 0 where no word begins so."""
    words, seen = code_words(lengths), torch.arange(1 << LIMIT, device=lengths.device)
    out = torch.zeros(len(lengths), 1 << LIMIT, dtype=torch.int64, device=lengths.device)
    for symbol in range(lengths.shape[1]):
        bits = lengths[:, symbol, None]
        mine = (seen & ((1 << bits) - 1) == words[:, symbol, None]) & (bits > 0)
        out = torch.where(mine, symbol | bits << SYMBOL, out)
    return out.reshape(-1)
