"""The k-th smallest of numbers that nobody holds together, by histograms of their digits that are added up.

Radix selection (Knuth, The Art of Computer Programming 3, section 5.2.5): numbers are parted by digits of 16 bits, the
upper ones first. Each part counts how often each digit stands behind the digits that are known already; the sum over
the parts says in which digit the k-th number lies. So much is sent: 65,536 counts a part and digit, whatever the size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recprune.errors import BudgetError

__all__ = ["DIGITS", "Place", "keys_of_times", "kth", "tally", "time_of_key"]

DIGITS = 1 << 16
TOP = np.uint64(1 << 63)

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Place:
    """key: the number that was looked for. below, equal, above: how many are smaller, equal to it, and larger."""

    key: int
    below: int
    equal: int
    above: int


def kth(counts: Callable[[int, int], Iterable[Counts]], k: int, bits: int) -> Place:
    """The number that k others stand before when all are sorted (k from 0; -1 is the largest, -2 the one before it).

    counts(known, shift): for each part what `tally` makes of its keys. bits: of a key, 16 to 64. Parts may be told in
    any order and of any size: counts are whole numbers, and their sum does not mind. Raises BudgetError where there is
    no k-th.
    """
    known, below, equal, above = 0, 0, 0, 0
    for shift in range(bits - 16, -1, -16):
        total = np.zeros(DIGITS, dtype=np.int64)
        for part in counts(known, shift):
            total += part
        upto = np.cumsum(total)
        if shift == bits - 16:
            k = k if k >= 0 else int(upto[-1]) + k
            if not 0 <= k < int(upto[-1]):
                raise BudgetError(f"there is no number {k:,} among {int(upto[-1]):,}")
        digit = int(np.searchsorted(upto, k - below, side="right"))
        equal = int(total[digit])
        above += int(upto[-1] - upto[digit])
        below += int(upto[digit]) - equal
        known = (known << 16) | digit
    return Place(known, below, equal, above)


def tally(keys: NDArray[np.unsignedinteger], known: int, shift: int) -> Counts:
    """(65,536,) how often each digit, `shift` bits above the lowest, stands behind the digits `known`."""
    bits = keys.dtype.itemsize * 8
    if shift + 16 < bits:
        keys = keys[(keys >> keys.dtype.type(shift + 16)) == keys.dtype.type(known)]
    digits = (keys >> keys.dtype.type(shift)) & keys.dtype.type(DIGITS - 1)
    return np.bincount(digits.astype(np.int64), minlength=DIGITS)


def keys_of_times(times: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Unsigned keys that rise as signed numbers do."""
    return times.view(np.uint64) ^ TOP


def time_of_key(key: int) -> int:
    """The signed number of a key."""
    return key - (1 << 63)
