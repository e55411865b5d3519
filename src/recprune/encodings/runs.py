"""Runs of numbers that are mostly small, as bits: a prefix code says about how large each is, its own bits the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from recprune.encodings.bits import fields
from recprune.encodings.huffman import code_lengths, code_words

__all__ = ["BLOCK", "LENGTH", "SIZE", "Coder", "Run", "blocks_of"]

BLOCK = 512
"""Numbers of a block: blocks are read side by side, so that reading takes so many steps, however many there are."""

SIZE = 16
"""Bits in which the size of a block is stored."""

LENGTH = 4
"""Bits in which the length of a word is stored."""


@dataclass(frozen=True, slots=True)
class Run:
    """numbers: (n,) int64, 0 or more. tables: (n,) which table tells each. sways: (n,) bool, whether the number before
    it, inside the block, is counted on top of that: the table after for a 1 or 2, the next for 3 to 6, and so on."""

    numbers: Tensor
    tables: Tensor
    sways: Tensor


@dataclass(frozen=True, slots=True)
class Coder:
    """How runs are written. Of a number n a prefix code (Huffman 1952) tells the highest two bits of n + 1 and how many
    are below them, and these follow as they are: the gamma code of Elias 1975 with words that go by what occurs.

    largest: number there can be. tables: prefix codes. levels: tables that one that sways can mean.
    In bytes: 4 bits for the length of every word of every table, the sizes of all blocks, the words of all runs, then
    the low bits.
    """

    largest: int
    tables: int
    levels: int

    @property
    def symbols(self) -> int:
        """Symbols of a table."""
        return 2 * (self.largest + 1).bit_length() - 1

    def size(self, runs: Sequence[Run]) -> int:
        """Bytes of what `write` gives."""
        parted = [_parted(run.numbers) for run in runs]
        counts = self._counts(runs, parted)
        words = int((self._lengths(counts) * counts).sum())
        low = sum(int(widths.sum()) for _, widths, _ in parted)
        return -(-(self.header([len(run.numbers) for run in runs]) + words + low) // 8)

    def header(self, sizes: Sequence[int]) -> int:
        """Bits before the words of runs of so many numbers."""
        return LENGTH * self.tables * self.symbols + SIZE * sum(map(blocks_of, sizes))

    def write(self, runs: Sequence[Run]) -> Tensor:
        """(bytes,) uint8."""
        parted = [_parted(run.numbers) for run in runs]
        lengths = self._lengths(self._counts(runs, parted))
        words = code_words(lengths)
        blocks, front, low = [], [], []
        for run, (symbols, widths, rest) in zip(runs, parted, strict=True):
            at = self._tables(run, symbols) * self.symbols + symbols
            bits = lengths.view(-1)[at]
            blocks.append(F.pad(bits, (0, -len(bits) % BLOCK)).view(-1, BLOCK).sum(1))
            front.append((words.view(-1)[at], bits))
            low.append((rest, widths))
        told = [_even(lengths.reshape(-1), LENGTH), _even(torch.cat(blocks), SIZE)]
        numbers, widths = (torch.cat(parts) for parts in zip(*told, *front, *low, strict=True))
        return fields(numbers, widths)

    def _tables(self, run: Run, symbols: Tensor) -> Tensor:
        before = F.pad(symbols, (1, 0))[:-1].clone()
        before[::BLOCK] = 0
        return run.tables + run.sways * _level(before, self.levels)

    def _counts(self, runs: Sequence[Run], parted: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        """(tables, symbols) how often each occurs."""
        flat = [self._tables(run, one[0]) * self.symbols + one[0] for run, one in zip(runs, parted, strict=True)]
        counts = torch.bincount(torch.cat(flat), minlength=self.tables * self.symbols)
        return counts.view(self.tables, self.symbols)

    def _lengths(self, counts: Tensor) -> Tensor:
        return torch.tensor([code_lengths(row) for row in counts.tolist()])


def _parted(numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The symbol of each, how many low bits it has, and these."""
    above = numbers + 1
    high = torch.frexp(above.double()).exponent.long() - 1
    widths = (high - 1).clamp(min=0)
    symbols = torch.where(high == 0, 0, 2 * high - 1 + ((above >> widths) & 1))
    return symbols, widths, above & ((torch.ones_like(above) << widths) - 1)


def _level(symbols: Tensor, levels: int) -> Tensor:
    return ((symbols + 1) >> 1).clamp(max=levels - 1)


def blocks_of(numbers: int) -> int:
    """How many blocks so many numbers are in."""
    return -(-numbers // BLOCK)


def _even(numbers: Tensor, width: int) -> tuple[Tensor, Tensor]:
    return numbers, torch.full_like(numbers, width)
