"""Runs of numbers that are read back from bits, block beside block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from recprune.encodings.bits import read, unpacked
from recprune.encodings.huffman import LIMIT, SYMBOL, look_up
from recprune.encodings.runs import BLOCK, LENGTH, SIZE, Coder, blocks_of
from recprune.errors import SurgeryError

__all__ = ["Reader"]

Numbers = NDArray[np.int64]

ONES = (1 << SYMBOL) - 1
WORD = (1 << LIMIT) - 1


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
        blocks = _evenly(bytes_, LENGTH * lengths.numel(), SIZE, sum(map(blocks_of, sizes)))
        begins = coder.header(sizes) + F.pad(blocks.cumsum(0), (1, 0))
        self._low = int(begins[-1])
        if self._low > bits:
            _refuse("its blocks are longer than it is")
        self._begins, self._block = begins, 0
        padded = F.pad(bytes_[: -(-self._low // 8)], (0, BLOCK * LIMIT // 8 + 8)).int()
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
        lanes, steps = blocks_of(count), min(count, BLOCK)
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


def _width(symbols: Tensor) -> Tensor:
    """Low bits of numbers of these symbols."""
    return ((symbols - 1) >> 1).clamp(min=0)


def _evenly(bytes_: Tensor, begin: int, width: int, count: int) -> Tensor:
    return read(bytes_, begin + width * torch.arange(count, device=bytes_.device), width, width)


def _refuse(why: str) -> None:
    raise SurgeryError(f"a stream of numbers is damaged: {why}")
