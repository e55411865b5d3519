"""Rows of a packed table, decoded from the stored bytes in microseconds: what a click model waits for."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from recprune.encodings.codes import Codes
from recprune.encodings.faces import Packed
from recprune.encodings.int8_rows import Int8Rows
from recprune.encodings.low_bits import LowBits
from recprune.errors import DataError
from recprune.kernels.dispatch import kernels
from recprune.kernels.top import as_items

__all__ = ["look_up"]


def look_up(table: Packed | Codes, ids: ArrayLike | Tensor) -> Tensor:
    """(len(ids), columns) rows of a packed table, the same to the bit as `table.rows(ids)`; no other row is read.

    Fast for int8_rows and int4_rows of float32 on the processor; other codes are decoded by themselves. Raises
    DataError for an id that there is not.
    """
    codes = table.stored if isinstance(table, Packed) else table
    which = as_items(ids).astype(np.int64, copy=False)
    native = kernels() if _fast(codes) else None
    if native is None:
        if len(which) and (which.min() < 0 or which.max() >= codes.shape[0]):
            raise DataError(f"an id is none of the table: they are 0 or more and below {codes.shape[0]}")
        return codes.rows(torch.from_numpy(which))
    out = torch.empty(len(which), codes.shape[1])
    scale = codes.get_buffer("scale").view(torch.uint16).reshape(-1)
    native[0].rows_of_codes(native[1], codes.codes.numpy(), scale.numpy(), which, out.numpy())
    return out


def _fast(codes: Codes) -> bool:
    four = isinstance(codes, LowBits) and codes.bits == 4 and not codes.rotated
    here = codes.dtype is torch.float32 and codes.codes.device.type == "cpu" and codes.codes.is_contiguous()
    return (four or isinstance(codes, Int8Rows)) and here
