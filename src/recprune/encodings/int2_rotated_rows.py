"""A quarter of a byte an entry and one scale a row, after a random rotation of the columns."""

from __future__ import annotations

from typing import ClassVar

from recprune.encodings.low_bits import LowBits
from recprune.encodings.rotation import WIDEST

__all__ = ["Int2RotatedRows"]


class Int2RotatedRows(LowBits):
    """Four levels, -1.5, -0.5, 0.5 and 1.5 times the row's scale, of rows that were rotated first: two bits are little
    without it. For Gaussian entries the squared error is 1.1 % above that of the best four levels (Max 1960, tables I
    and II). Option `seed` (0): of the rotation.
    """

    bits: ClassVar[int] = 2
    middle: ClassVar[float] = 1.5
    rotated: ClassVar[bool] = True
    known: ClassVar[frozenset[str]] = frozenset({"seed"})
    widest: ClassVar[int] = WIDEST
