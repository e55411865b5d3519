"""scale(): from numbers to places in a drawing, and round numbers for its axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Scale", "linear", "logarithmic"]


@dataclass(frozen=True, slots=True)
class Scale:
    """low, high: the numbers at `start` and `end` (in units of the drawing). ticks: round numbers between them."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    log: bool = False

    def at(self, number: float) -> float:
        """The place of a number.

        >>> linear([0, 10], 0, 100).at(5)
        50.0
        """
        low, high, here = (math.log10(n) if self.log else n for n in (self.low, self.high, number))
        return round(self.start + (here - low) / (high - low) * (self.end - self.start), 2)


def linear(numbers: Sequence[float], start: float, end: float, *, pad: float = 0.0, least: float = 0.0) -> Scale:
    """A scale that holds the numbers, with a share of room on both sides, and spans `least` at least."""
    low, high = min(numbers), max(numbers)
    short = max(least - (high - low), 0.0) or (1.0 if high == low else 0.0)
    low, high = low - short / 2, high + short / 2
    room = pad * (high - low)
    low, high = low - room, high + room
    step = _step((high - low) / 5)
    ticks = tuple(round(n * step, 12) for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1))
    return Scale(low, high, start, end, ticks)


def logarithmic(numbers: Sequence[float], start: float, end: float) -> Scale:
    """A scale of powers, for numbers above 0, with a little room on both sides; it spans half a decade at least."""
    low, high = math.log10(min(numbers)), math.log10(max(numbers))
    short = max(0.5 - (high - low), 0.0)
    low, high = low - short / 2, high + short / 2
    room = 0.06 * (high - low)
    low, high = low - room, high + room
    steps = (1, 2, 5) if high - low < 2.6 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = tuple(m * 10.0**p for p in powers for m in steps if low <= math.log10(m) + p <= high)
    return Scale(10**low, 10**high, start, end, ticks, log=True)


def _step(rough: float) -> float:
    """The next 1, 2 or 5 times a power of ten.

    >>> _step(0.3), _step(7)
    (0.5, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
