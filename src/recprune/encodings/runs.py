"""Runs of numbers that are mostly small, as bits: a prefix code says about how large each is, its own bits the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from recprune.encodings.bits import fields, packed, read, unpacked
from recprune.encodings.huffman import LIMIT, SYMBOL, code_lengths, code_words, look_up
from recprune.errors import SurgeryError

__all__ = ["Coder", "Reader", "Run"]

Numbers = NDArray[np.int64]

BLOCK = 512
"""Numbers of a block: blocks are read side by side, so that reading takes so many steps, however many there are."""

SIZE = 16
"""Bits in which the size of a block is stored."""

ONES = (1 << SYMBOL) - 1
WORD = (1 << LIMIT) - 1

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
        return LENGTH * self.tables * self.symbols + SIZE * sum(map(_blocks, sizes))

    def write(self, runs: Sequence[Run]) -> Tensor:
        """(bytes,) uint8."""
        parted = [_parted(run.numbers) for run in runs]
        lengths = self._lengths(self._counts(runs, parted))
        words = code_words(lengths)
        blocks, front, low = [], [], []
        for run, (symbols, widths, rest) in zip(runs, parted, strict=True):
            tables = self._tables(run, symbols)
            bits = lengths[tables, symbols]
            blocks.append(F.pad(bits, (0, -len(bits) % BLOCK)).view(-1, BLOCK).sum(1))
            front.append(fields(words[tables, symbols], bits))
            low.append(fields(rest, widths))
        told = [_even(lengths.reshape(-1), LENGTH), _even(torch.cat(blocks), SIZE)]
        return packed(torch.cat([*told, *front, *low]))

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


class Reader:
    """What `Coder.write` wrote, run by run. Raises SurgeryError where the bytes cannot have been written so; no more
    memory is taken than some numbers for each bit that there is."""

    def __init__(self, coder: Coder, bytes_: Tensor, sizes: Sequence[int]) -> None:
        bits = 8 * len(bytes_)
        if sum(sizes) > bits or coder.header(sizes) > bits:
            _refuse(f"{sum(sizes):,} numbers are in {len(bytes_):,} bytes")
        self._coder, self._bytes = coder, bytes_
        lengths = _evenly(bytes_, 0, LENGTH, coder.tables * coder.symbols).view(coder.tables, coder.symbols)
        room = torch.where(lengths > 0, 1 << (LIMIT - lengths).clamp(min=0), 0).sum(1)
        if bool((lengths > LIMIT).any()) or bool((room > 1 << LIMIT).any()):
            _refuse("no prefix code has words of these lengths")
        self._look_up = look_up(lengths)
        blocks = _evenly(bytes_, LENGTH * lengths.numel(), SIZE, sum(map(_blocks, sizes)))
        begins = coder.header(sizes) + F.pad(blocks.cumsum(0), (1, 0))
        self._low = int(begins[-1])
        if self._low > bits:
            _refuse("its blocks are longer than it is")
        self._begins, self._block = begins, 0
        padded = F.pad(bytes_[: -(-self._low // 8)], (0, BLOCK * LIMIT // 8 + 8)).long()
        self._ahead = padded[:-2] | padded[1:-1] << 8 | padded[2:] << 16

    def read(self, tables: Tensor, sways: Tensor) -> Tensor:
        """(n,) the numbers of the next run, whose tables are these."""
        if not len(tables):
            return tables.clone()
        symbols = self._symbols(tables, sways) & ONES
        widths = _width(symbols)
        begins = self._low + widths.cumsum(0) - widths
        self._low += int(widths.sum())
        if self._low > 8 * len(self._bytes):
            _refuse("numbers go on behind its end")
        high = torch.where(symbols == 0, 1, (2 + (symbols - 1 & 1)) << widths)
        numbers: Tensor = high + read(self._bytes, begins, widths, 31) - 1
        return numbers

    def end(self) -> None:
        """Raise SurgeryError where anything is left but zeros that fill up the last byte."""
        rest = unpacked(self._bytes[-1:])[self._low & 7 :] if self._low & 7 else self._bytes[:0]
        if -(-self._low // 8) != len(self._bytes) or bool(rest.any()):
            _refuse("something stands behind its last number")

    def _symbols(self, tables: Tensor, sways: Tensor) -> Tensor:
        """(n,) what was looked up for every number, block beside block."""
        count = len(tables)
        lanes, steps = _blocks(count), min(count, BLOCK)
        begins, ends = self._begins[self._block : self._block + lanes], self._begins[self._block + 1 :][:lanes]
        self._block += lanes
        table, sway = (F.pad(one, (0, lanes * steps - count)).view(-1, steps).T for one in (tables << LIMIT, -sways))
        found = torch.from_numpy(
            self._walk(table.contiguous().cpu().numpy(), sway.contiguous().cpu().numpy(), begins.cpu().numpy())
        )
        found = self._look_up[found.to(tables.device)]
        flat = found.T.reshape(-1)[:count]
        bits = flat >> SYMBOL
        sums = F.pad(bits, (0, lanes * steps - count)).view(lanes, steps).sum(1)
        if bool((bits == 0).any()) or not torch.equal(sums, ends - begins):
            _refuse("its words do not end where its blocks end")
        return flat

    def _walk(self, table: Numbers, sway: Numbers, begins: Numbers) -> Numbers:
        """(steps, lanes) where each number was looked up. table: (steps, lanes) where its table begins. sway: -1 where
        the number before counts, else 0. A step is a few small operations, in which numpy loses less time."""
        look_up = self._look_up.cpu().numpy()
        bits, before = look_up >> SYMBOL, np.minimum((look_up & ONES) + 1 >> 1, self._coder.levels - 1) << LIMIT
        ahead, at, last = self._ahead.cpu().numpy(), begins.copy(), np.zeros_like(begins)
        out = np.empty(table.shape, dtype=np.int64)
        for step, (tables, sways) in enumerate(zip(table, sway, strict=True)):
            seen = ahead[at >> 3]
            seen >>= at & 7
            seen &= WORD
            seen += tables
            seen += last & sways
            out[step] = seen
            last = before[seen]
            at += bits[seen]
        return out


def _parted(numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The symbol of each, how many low bits it has, and these."""
    above = numbers + 1
    high = torch.frexp(above.double()).exponent.long() - 1
    widths = (high - 1).clamp(min=0)
    symbols = torch.where(high == 0, 0, 2 * high - 1 + ((above >> widths) & 1))
    return symbols, widths, above & ((torch.ones_like(above) << widths) - 1)


def _width(symbols: Tensor) -> Tensor:
    """Low bits of numbers of these symbols."""
    return ((symbols - 1) >> 1).clamp(min=0)


def _level(symbols: Tensor, levels: int) -> Tensor:
    return ((symbols + 1) >> 1).clamp(max=levels - 1)


def _blocks(numbers: int) -> int:
    return -(-numbers // BLOCK)


def _even(numbers: Tensor, width: int) -> Tensor:
    return fields(numbers, torch.full_like(numbers, width))


def _evenly(bytes_: Tensor, begin: int, width: int, count: int) -> Tensor:
    return read(bytes_, begin + width * torch.arange(count, device=bytes_.device), width, width)


def _refuse(why: str) -> None:
    raise SurgeryError(f"a stream of numbers is damaged: {why}")
