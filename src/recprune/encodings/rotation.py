"""A random orthogonal matrix, stored as its seed: of rotated rows no entry is much larger than the others.

Signs and a Hadamard transform where the width is a power of two (Tseng et al. 2024, "QuIP#", section 3); otherwise the
Q of a Gaussian matrix (Mezzadri 2007).
"""

from __future__ import annotations

from functools import lru_cache
from math import pi

import numpy as np
from numpy.typing import NDArray

from recprune.errors import SurgeryError

__all__ = ["WIDEST", "rotation"]

WIDEST = 4096
"""Widths above this would need a matrix that is larger than what it saves."""


@lru_cache(maxsize=32)
def rotation(width: int, seed: int) -> NDArray[np.float64]:
    """(width, width) orthogonal matrix R; rows are stored as rows @ R. The same seed gives the same matrix everywhere.

    Raises SurgeryError for a width above WIDEST, or a seed below 0.
    """
    if seed < 0:
        raise SurgeryError(f"the seed of a rotation is 0 or more, not {seed}")
    if width > WIDEST:
        raise SurgeryError(f"rows of {width:,} numbers are too wide to be rotated; at most {WIDEST:,}")
    bits = np.random.PCG64(seed)  # its raw stream, unlike numpy's distributions, never changes
    if width & (width - 1) == 0:
        signs = np.where(bits.random_raw(width) >> np.uint64(63), -1.0, 1.0)
        turn: NDArray[np.float64] = signs[:, None] * _hadamard(width)
        return turn
    raw = (bits.random_raw(2 * width * width) >> np.uint64(11)).astype(np.float64).reshape(2, width, width)
    one, two = (raw + 0.5) * 2.0**-53
    q, r = np.linalg.qr(np.sqrt(-2 * np.log(one)) * np.cos(2 * pi * two))
    made: NDArray[np.float64] = q * np.sign(np.diagonal(r))
    return made


def _hadamard(width: int) -> NDArray[np.float64]:
    out = np.ones((1, 1))
    while len(out) < width:
        out = np.block([[out, out], [out, -out]])
    return np.asarray(out / np.sqrt(width))
