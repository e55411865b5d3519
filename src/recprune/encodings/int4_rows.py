"""Half a byte an entry and one scale a row."""

from __future__ import annotations

from typing import ClassVar

from recprune.encodings.low_bits import LowBits

__all__ = ["Int4Rows"]


class Int4Rows(LowBits):
    """Sixteen levels, -8 .. 7 times the row's scale; 0 is one of them, and a negative scale turns them round.

    The scale is clipped for the smallest squared error (Banner et al. 2019, section 3), by search and not by formula.
    """

    bits: ClassVar[int] = 4
    middle: ClassVar[float] = 8.0
