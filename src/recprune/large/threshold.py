"""The k-th largest of very many numbers, exactly, in two passes and without sorting.

A float32 is laid out so that its bits, as a whole number, rise as it does: sign, exponent, mantissa. Numbers are parted
by their digits (radix sorting: Knuth, The Art of Computer Programming 3, section 5.2.5). A histogram of the upper 16
bits finds the digit in which the threshold lies; a second one, of the lower 16 bits, the threshold itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recprune.errors import BudgetError

__all__ = ["Threshold", "ordered", "threshold"]

DIGITS = 1 << 16

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Numbers above `key` (as `ordered` lays them out) stay; of those equal to it, the last `ties`.

    equal: how many are equal to it.
    """

    key: int
    equal: int
    ties: int

    def stays(self, keys: NDArray[np.uint32], passed: int) -> tuple[NDArray[np.bool_], int]:
        """Which of a block stay, and how many equal ones have passed after it, where `passed` had passed before it."""
        equal = keys == self.key
        stays = keys > self.key
        number = int(np.count_nonzero(equal))
        if number:
            places = np.flatnonzero(equal)
            stays[places[max(0, self.equal - self.ties - passed) :]] = True
        return stays, passed + number


def ordered(scores: Floats) -> NDArray[np.uint32]:
    """Whole numbers that rise as the scores do; 0 and -0 are the same. Raises BudgetError where a score is NaN."""
    if bool(np.isnan(scores).any()):
        raise BudgetError("a score is NaN, and cannot be compared: train again, or score by another rule")
    bits = (scores + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def threshold(blocks: Callable[[], Iterable[Floats]], keep: int) -> Threshold:
    """The threshold above which, ties by place, exactly `keep` numbers stay. blocks: gives all of them, twice.

    Raises BudgetError where there are fewer, or one is NaN.
    """
    upper = np.zeros(DIGITS, dtype=np.int64)
    for scores in blocks():
        upper += np.bincount(ordered(scores) >> 16, minlength=DIGITS)
    if not 0 < keep <= int(upper.sum()):
        raise BudgetError(f"{keep:,} rows cannot stay of {int(upper.sum()):,}")
    digit, above = _found(upper, keep)
    lower = np.zeros(DIGITS, dtype=np.int64)
    for scores in blocks():
        keys = ordered(scores)
        lower += np.bincount(keys[keys >> 16 == digit] & (DIGITS - 1), minlength=DIGITS)
    last, more = _found(lower, keep - above)
    return Threshold((digit << 16) + last, int(lower[last]), keep - above - more)


def _found(histogram: NDArray[np.int64], keep: int) -> tuple[int, int]:
    """The digit of the keep-th largest, and how many have a larger one."""
    from_above = np.cumsum(histogram[::-1])
    place = int(np.searchsorted(from_above, keep))
    digit = len(histogram) - 1 - place
    return digit, int(from_above[place] - histogram[digit])
