"""Half a byte an entry and one scale a row, after a random rotation of the columns."""

from __future__ import annotations

from typing import ClassVar

from recprune.encodings.low_bits import LowBits
from recprune.encodings.rotation import WIDEST

__all__ = ["Int4RotatedRows"]


class Int4RotatedRows(LowBits):
    """As `int4_rows`, of rows that were rotated first, so that no entry is much larger than the others and one scale
    suits all of them (Chee et al. 2023, "QuIP", section 4). Option `seed` (0): of the rotation, stored in its place.
    """

    bits: ClassVar[int] = 4
    middle: ClassVar[float] = 8.0
    rotated: ClassVar[bool] = True
    known: ClassVar[frozenset[str]] = frozenset({"seed"})
    widest: ClassVar[int] = WIDEST
