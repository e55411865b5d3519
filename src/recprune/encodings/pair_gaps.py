"""Who had what by the gaps between the columns of a row. Witten, Moffat and Bell 1999, section 3.3."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from recprune.encodings.codes import Layout
from recprune.encodings.pairs import Pairs
from recprune.encodings.quick import version_of
from recprune.encodings.run_reader import Reader
from recprune.encodings.runs import Coder, Run
from recprune.errors import SurgeryError

__all__ = ["PairGaps"]

MANY = 1 << 15
"""Entries from which on the gap before tells which table says the next: the tables take some hundred bytes."""

LEVELS = 16
"""Tables of gaps there are then."""

GONE, COUNTS, FIRST, GAPS = range(4)
"""Tables: rows that are not there, how many entries a row has, its first column, the gaps after it."""

WORST = 6
"""Bits of a word of a prefix code of 64 symbols, in the mean, at most."""


class PairGaps(Pairs):
    """A (rows, columns) matrix of which some entries are stored, all with the same value.

    Of every row how many entries it has, and the columns between them: runs of numbers (`runs.Coder`), in about as many
    bits as each number has and two more. Where columns that stand near each other occur together, that is less than
    their places take on their own.

    codes: (room,) uint8, three runs: the gaps between rows that are not there although they have entries, counts, and
    the gaps between columns. The first column of a row is counted from that of the row before, round the end, where
    that takes less, as it does where rows stand in the order of their first columns. count: (4,), how many entries,
    rows, and rows of the first run, and 1 where it is.
    Option `room`, the bytes of codes, which go by where the entries stand: as few as it takes where it is not said, and
    in `layout` the most that it can be. The rest is as in `Pairs`.
    """

    known: ClassVar[frozenset[str]] = frozenset({"entries", "room"})
    counted: ClassVar[int] = 4
    varies: ClassVar[bool] = True

    @classmethod
    def layout(cls, rows: int, columns: int, value: torch.dtype, **options: int) -> Layout:
        """Bytes, the value, and counts."""
        entries = cls.stored_entries((rows, columns), **options)
        room = options.get("room", 0) or _most(rows, columns, entries)
        return {
            "codes": (torch.uint8, (room,)),
            "value": (torch.bfloat16, (1,)),
            "count": (torch.int64, (4,)),
        }

    @classmethod
    def room(cls, places: Tensor, shape: Sequence[int]) -> int:
        """Bytes of codes of entries at row * columns + column, ascending, all in rows that are there."""
        return _coder(shape[0], shape[1], len(places)).size(_runs(places[:0], places, shape)[0])

    @classmethod
    def coded_places(cls, places: Tensor, there: Tensor, shape: Sequence[int], **options: int) -> dict[str, Tensor]:
        """The three runs. Raises SurgeryError where they take other bytes than `room` says."""
        rows, columns = shape
        held = torch.bincount(places // columns, minlength=rows) > 0
        gone = (held & ~there).nonzero().squeeze(1) if bool(there.any()) else places[:0]
        runs, chained = _runs(gone, places, shape)
        codes = _coder(rows, columns, len(places)).write(runs)
        if options.get("room", len(codes)) != len(codes):
            raise SurgeryError(
                f"pair_gaps takes {len(codes):,} bytes for these {len(places):,} entries, and {options['room']:,} were "
                "said: other entries stay than those that `room` was said for. Leave it out"
            )
        return {"codes": codes, "count": torch.tensor([len(places), rows, len(gone), int(chained)])}

    @classmethod
    def options(cls, parts: Mapping[str, Tensor]) -> dict[str, int]:
        """How many entries there are, in how many bytes."""
        codes = parts["codes"]
        if codes.dim() != 1 or not len(codes):
            raise SurgeryError(f"'codes' of PairGaps is a row of bytes, not of shape {tuple(codes.shape)}")
        return {**super().options(parts), "room": len(codes)}

    def check(self) -> None:
        """Raise SurgeryError where the runs are damaged, or places are none of the matrix."""
        self._read()

    def places(self) -> Tensor:
        """(entries,) int64, row * columns + column of each, ascending."""
        return self._read()[0]

    def rows_there(self) -> Tensor:
        """(rows,) bool, all but those of the first run."""
        there = torch.ones(self.shape[0], dtype=torch.bool, device=self.codes.device)
        there[self._read()[1]] = False
        return there

    def _read(self) -> tuple[Tensor, Tensor]:
        """Places, and rows that are not there: read at the first call, and kept beside the codes."""
        kept: tuple[Tensor, int, tuple[Tensor, Tensor]] | None = self.__dict__.get("_kept")
        version = version_of(self.codes)
        if kept is None or kept[0] is not self.codes or kept[1] != version:
            self.__dict__["_kept"] = kept = self.codes, version, self._decoded_runs()
        return kept[2]

    def _decoded_runs(self) -> tuple[Tensor, Tensor]:
        entries, rows, gone, chained = self.counts(dict(self.named_buffers()))
        columns = self.columns
        if max(rows, columns) > self.widest or chained > 1:
            raise SurgeryError(f"pair gaps are damaged: a matrix of {rows:,} x {columns:,}, chained {chained}")
        reader = Reader(_coder(rows, columns, entries), self.codes, (gone, rows, entries))
        absent = _rising(reader.read(*self._same(gone, GONE)), rows)
        counts = reader.read(*self._same(rows, COUNTS))
        if bool((counts > columns).any()) or int(counts.sum()) != entries:
            raise SurgeryError(f"pair gaps are damaged: its rows have {int(counts.sum()):,} entries of {entries:,}")
        owner = torch.repeat_interleave(torch.arange(rows, device=counts.device), counts, output_size=entries)
        tables, sways = _tables(owner)
        gaps = reader.read(tables, sways)
        reader.end()
        if chained:
            gaps[~sways.bool()] = gaps[~sways.bool()].cumsum(0) % columns
        return _summed(gaps, owner, counts, columns), absent

    def _same(self, count: int, table: int) -> tuple[Tensor, Tensor]:
        whole = torch.full((count,), table, device=self.codes.device)
        return whole, torch.zeros_like(whole)


def _coder(rows: int, columns: int, entries: int) -> Coder:
    levels = LEVELS if entries >= MANY else 1
    return Coder(max(rows, columns), GAPS + levels, levels)


def _runs(gone: Tensor, places: Tensor, shape: Sequence[int]) -> tuple[list[Run], bool]:
    """Rows that are not there, counts, gaps; and whether first columns are counted from those of the row before: where
    these are shorter numbers."""
    rows, columns = shape
    owner, column = places // columns, places % columns
    counts = torch.bincount(owner, minlength=rows)
    tables, sways = _tables(owner)
    before = torch.where(tables == FIRST, -1, torch.cat([column[:1], column[:-1]]))
    gaps, zero = column - before - 1, torch.zeros_like
    first = gaps[tables == FIRST]
    apart = first.diff(prepend=first.new_zeros(1)) % columns
    bits, chain_bits = (int(torch.frexp((some + 1).double()).exponent.sum()) for some in (first, apart))
    chained = chain_bits < bits
    gaps[tables == FIRST] = apart if chained else first
    runs = [
        Run(gone.diff(prepend=gone.new_tensor([-1])) - 1, zero(gone), zero(gone)),
        Run(counts, torch.full_like(counts, COUNTS), zero(counts)),
        Run(gaps, tables, sways),
    ]
    return runs, chained


def _tables(owner: Tensor) -> tuple[Tensor, Tensor]:
    """The table of each gap, by the row of its entry, and whether the gap before sways it."""
    inside = owner.diff(prepend=owner.new_tensor([-1])) == 0
    return torch.where(inside, GAPS, FIRST), inside.long()


def _rising(gaps: Tensor, end: int) -> Tensor:
    """The numbers below `end` that have these gaps between them."""
    if bool((gaps >= end).any()):
        raise SurgeryError("pair gaps are damaged: a row is none of the matrix")
    found = (gaps + 1).cumsum(0) - 1
    if len(found) and int(found[-1]) >= end:
        raise SurgeryError("pair gaps are damaged: a row is none of the matrix")
    return found


def _summed(gaps: Tensor, owner: Tensor, counts: Tensor, columns: int) -> Tensor:
    """Places of entries that have these gaps before them in their rows."""
    if bool((gaps >= columns).any()):
        raise SurgeryError("pair gaps are damaged: a column is none of the matrix")
    ends = (gaps + 1).cumsum(0)
    starts = torch.cat([ends.new_zeros(1), ends])[counts.cumsum(0) - counts]
    column = ends - starts[owner] - 1
    if bool((column >= columns).any()):
        raise SurgeryError("pair gaps are damaged: a column is none of the matrix")
    return owner * columns + column


def _most(rows: int, columns: int, entries: int) -> int:
    """Bytes of codes at most: no words are longer in the mean than those of one length, and the sum of logarithms is
    largest where all numbers are alike."""
    held = min(rows, entries)
    sums = ((held, rows), (rows, rows + entries), (entries, held * columns))
    low = sum(count * math.log2(whole / count) for count, whole in sums if count)
    words = WORST * sum(count for count, _ in sums)
    return -(-(_coder(rows, columns, entries).header([count for count, _ in sums]) + words + math.ceil(low) + 1) // 8)
