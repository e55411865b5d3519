"""A few bits an entry: which of some values, that all entries share, it is. Han et al. 2016, section 3 ("weight
sharing"), with values from k-means of one dimension (Lloyd 1982)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from recprune.encodings.bits import packed
from recprune.encodings.books import floats_of, weights_of
from recprune.encodings.codes import ENTRIES, Codes, Layout, Pick
from recprune.encodings.quick import Lent
from recprune.encodings.watched import is_graph
from recprune.errors import SurgeryError

__all__ = ["SharedValues"]

BITS = 4
ROUNDS = 50
"""Rounds of k-means."""
TINY = 1e-300
GRID = 1024
"""Quantiles by which the density of the entries is known."""
LEARNED = 1 << 17
"""Entries that values are learned from, at most."""
TURNS = 8
"""Steps of training after which values move to the means of what they stand for."""


class SharedValues(Codes):
    """Entry = values[code], with codes of `b` bits, 1 to 8.

    A row takes ceil(columns * b / 8) bytes and no scale of its own, which counts where rows are short: a row of 8 in 4
    bits takes 4 bytes, and 6 as int4_rows. codes: (rows, bytes) uint8, the first entry in the lowest bits. values:
    (2^b,) bfloat16, ascending, one of them 0.
    used: (rows,) how often each row is looked up; values then fit best what is looked up most.
    """

    known: ClassVar[frozenset[str]] = frozenset({"b"})
    weighs: ClassVar[bool] = True
    alone: ClassVar[bool] = False
    keeps: ClassVar[int] = 2**31

    values: Tensor

    def __init__(self, parts: Mapping[str, Tensor]) -> None:
        super().__init__(parts)
        begins = torch.arange(self.columns) * _bits_of(len(self.values))
        self._byte, self._shift = begins >> 3, (begins & 7).int()

    @classmethod
    def layout(cls, rows: int, columns: int, value: torch.dtype, **options: int) -> Layout:
        """Codes and values."""
        bits = _bits(options)
        return {"codes": (torch.uint8, (rows, -(-columns * bits // 8))), "values": (torch.bfloat16, (2**bits,))}

    @classmethod
    def parts(cls, matrix: Tensor, used: Tensor | None = None, **options: int) -> dict[str, Tensor]:
        """Values that are learned from the entries, and codes."""
        rows, bits = floats_of(matrix), _bits(options)
        values = _learned(rows, used, bits)
        return {"codes": _packed(_nearest(rows, values), bits), "values": values.bfloat16()}

    @classmethod
    def nearest(
        cls, matrix: Tensor, kept: Any = None, used: Tensor | None = None, **options: int
    ) -> tuple[Tensor, Any]:
        """Every entry is coded anew at every step; values move to the means of what they stand for now and then."""
        rows, bits = floats_of(matrix), _bits(options)
        values, steps = (_learned(rows, used, bits), 0) if kept is None else kept
        codes = _nearest(rows, values)
        if steps and steps % TURNS == 0:
            values = _moved(rows, codes, values, used)
            codes = _nearest(rows, values)
        return values[codes].to(matrix.dtype), (values, steps + 1)

    @classmethod
    def worth_trying(cls, rows: int, columns: int) -> list[dict[str, int]]:
        """All bits but the extremes."""
        return [{"b": bits} for bits in (8, 6, 5, 4, 3, 2)]

    @classmethod
    def options(cls, parts: Mapping[str, Tensor]) -> dict[str, int]:
        """Bits of a code, by the number of values."""
        values = parts.get("values")
        count = 0 if values is None or values.dim() != 1 else len(values)
        if count not in [2**bits for bits in range(1, 9)]:
            raise SurgeryError(f"'values' of SharedValues are 2, 4, 8 ... 256 numbers, not {count}")
        return {"b": _bits_of(count)}

    def numbers(self, pick: Pick, dtype: torch.dtype) -> Tensor:
        """The values that codes name."""
        return self._read(pick(self.codes), dtype)

    def lent(self) -> Lent:
        """Codes, and the values that they name."""
        return Lent("rows_of_values", (self.codes.numpy(), self.values.view(torch.uint16).numpy()))

    def halves(self) -> Tensor:
        """(rows, columns) bfloat16, which values are: the decoded matrix in half the bytes, made piece by piece."""
        pieces = torch.split(self.codes, max(1, ENTRIES // self.columns))
        return torch.cat([self._read(piece, torch.bfloat16) for piece in pieces])

    def _read(self, codes: Tensor, dtype: torch.dtype) -> Tensor:
        codes, bits = codes.int(), _bits_of(len(self.values))
        byte, shift = self._byte.to(codes.device), self._shift.to(codes.device)
        after = (byte + 1).clamp(max=codes.shape[1] - 1)  # of a code that ends in its byte nothing more is read
        both = codes.index_select(1, byte) + codes.index_select(1, after) * 256
        moved = both // 2**shift if is_graph() else both >> shift  # ONNX shifts by one number for all
        found = moved & (2**bits - 1)
        return self.values.to(dtype).index_select(0, found.reshape(-1).long()).view(-1, self.columns)

    @classmethod
    def bound(cls, matrix: Tensor, **options: int) -> Tensor:
        """Zero, which is one of the values, is never nearer to an entry than what is taken."""
        length: Tensor = matrix.norm(dim=1)
        return length * 1.01


def _bits(options: Mapping[str, int]) -> int:
    bits = options.get("b", BITS)
    if not 1 <= bits <= 8:
        raise SurgeryError(f"b, the bits of an entry, is 1 to 8, not {bits}")
    return bits


def _bits_of(values: int) -> int:
    return values.bit_length() - 1


def _learned(rows: Tensor, used: Tensor | None, bits: int) -> Tensor:
    """(2^b,) values of the least squared error, as they will be stored, ascending; zero is one of them.

    k-means from the quantiles, on sorted entries: who is nearest to a value lies between two places. In the second half
    of the rounds the value nearest to zero stays there.
    """
    flat, weights = rows.reshape(-1), _weights(rows, used)
    if len(flat) > LEARNED:
        some = torch.linspace(0, len(flat) - 1, LEARNED, dtype=torch.float64).round().long().to(flat.device)
        flat, weights = flat[some], weights[some]
    order = flat.argsort(stable=True)
    entries, weights = flat[order].double(), weights[order].double()
    count, sums, squares = (_running(weights * entries**power) for power in (0, 1, 2))
    values = _first(entries, count, 2**bits)
    for done in range(ROUNDS):
        values = values if 2 * done < ROUNDS else _with_zero(values)
        ends = torch.searchsorted(entries, (values[1:] + values[:-1]) / 2)
        ends = torch.cat([ends.new_zeros(1), ends, ends.new_full((1,), len(entries))])
        held, total, square = (part[ends[1:]] - part[ends[:-1]] for part in (count, sums, squares))
        means = total / held.clamp(min=TINY)
        values = torch.where(held > 0, means, values)
        idle = (held <= 0).nonzero().flatten()
        if len(idle) and 2 * done < ROUNDS:  # these share the entries that are furthest from theirs
            worst = (square - means * total).topk(len(idle)).indices
            off = (square[worst] / held[worst].clamp(min=TINY) - means[worst].square()).clamp(min=0.0)
            values[idle] = means[worst] + off.sqrt()
            values = values.sort().values
    return _stored(_with_zero(values)).to(rows.dtype)


def _first(entries: Tensor, count: Tensor, values: int) -> Tensor:
    """(values,) to begin with: half of them quantiles, half as dense as the third root of the density, which is best
    for many values (Panter & Dite 1951). entries: ascending; count: what the first none, one, two ... of them count."""

    def quantiles(shares: Tensor) -> Tensor:
        return entries[torch.searchsorted(count[1:], shares * count[-1]).clamp(max=len(entries) - 1)]

    even = torch.linspace(0, 1, GRID + 1, dtype=torch.float64, device=entries.device)
    ends, half = quantiles(even), values // 2
    reach = _running(ends.diff() ** (2 / 3))
    wanted = (torch.arange(values - half, device=entries.device) + 0.5) / (values - half)
    wide = torch.searchsorted(reach[1:], wanted * reach[-1]).clamp(max=GRID - 1)
    mass = (torch.arange(half, device=entries.device) + 0.5) / half
    return torch.cat([quantiles(mass.double()), (ends[wide] + ends[wide + 1]) / 2]).sort().values


def _moved(rows: Tensor, codes: Tensor, values: Tensor, used: Tensor | None) -> Tensor:
    """Values as the means of the entries that they stand for."""
    weights, flat = _weights(rows, used), codes.reshape(-1)
    held = torch.zeros_like(values).index_add_(0, flat, weights)
    sums = torch.zeros_like(values).index_add_(0, flat, weights * rows.reshape(-1))
    means = torch.where(held > 0, sums / held.clamp(min=torch.finfo(values.dtype).tiny), values)
    return _stored(_with_zero(means))


def _with_zero(values: Tensor) -> Tensor:
    """The same, the one that is nearest to zero being zero."""
    found = values.clone()
    found[values.abs().argmin()] = 0.0
    return found


def _stored(values: Tensor) -> Tensor:
    """Ascending, as they will be stored."""
    return values.sort().values.bfloat16().to(values)


def _nearest(rows: Tensor, values: Tensor) -> Tensor:
    """(rows, columns) int64: the value that is nearest to each entry."""
    return torch.bucketize(rows.contiguous(), (values[1:] + values[:-1]) / 2)


def _packed(codes: Tensor, bits: int) -> Tensor:
    """(rows, bytes) uint8, every row in bytes of its own."""
    single = ((codes[:, :, None] >> torch.arange(bits, device=codes.device)) & 1).flatten(1)
    return packed(torch.nn.functional.pad(single, (0, -single.shape[1] % 8))).view(len(codes), -1)


def _weights(rows: Tensor, used: Tensor | None) -> Tensor:
    """(entries,) what an error of each counts."""
    return weights_of(rows, used).repeat_interleave(rows.shape[1])


def _running(numbers: Tensor) -> Tensor:
    """Sums of the first none, one, two ... of them."""
    return torch.cat([numbers.new_zeros(1), numbers.cumsum(0)])
