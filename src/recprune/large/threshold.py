"""The k-th largest of very many numbers, exactly, in two passes and without sorting (`radix`).

A float32 is laid out so that its bits, as a whole number, rise as it does: sign, exponent, mantissa. A histogram of the
upper 16 bits finds the digit in which the threshold lies; a second one, of the lower 16 bits, the threshold itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recprune.errors import BudgetError
from recprune.large.radix import Counts, kth, tally

__all__ = ["Threshold", "ordered", "threshold", "threshold_among"]

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
    return threshold_among(lambda known, shift: (tally(ordered(some), known, shift) for some in blocks()), keep)


def threshold_among(counts: Callable[[int, int], Iterable[Counts]], keep: int) -> Threshold:
    """The same of numbers that lie in parts: counts(known, shift) gives what `tally` makes of the keys of each.

    Its `ties` are the last ones in the order of the parts. Raises BudgetError where there are fewer.
    """
    if keep < 1:
        raise BudgetError(f"{keep:,} rows cannot stay: a threshold lets one through at least")
    try:
        found = kth(counts, -keep, 32)
    except BudgetError as error:
        raise BudgetError(f"{keep:,} rows cannot stay: {error}") from None
    return Threshold(found.key, found.equal, keep - found.above)
