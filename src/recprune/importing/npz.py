"""NumPy archives: every array is measured by its header before it is unpacked, and objects are refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from recprune.importing.plain import hand_over
from recprune.importing.refused import Refused, within
from recprune.importing.zipped import checked_zip

__all__ = ["convert"]


def convert(path: Path, out: Path, cap: int) -> dict[str, Any]:
    """Hand over every array by its name. Raises Refused for an array of objects or of records, and for one that is not
    exactly as long as its header says."""
    found = {}
    with checked_zip(path, cap, stored=False) as file:
        for info in file.infolist():
            with file.open(info) as entry:
                found[info.filename.removesuffix(".npy")] = _array(entry, info.filename, info.file_size, cap)
    return hand_over(found, out)


def _array(entry: IO[bytes], name: str, size: int, cap: int) -> NDArray[Any]:
    try:
        version = np.lib.format.read_magic(entry)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"its version is {version}")
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, dtype = header(entry)
    except Exception as error:
        raise Refused(f"{name!r} is no array: {str(error)[:200]}") from error
    if dtype.hasobject or dtype.kind not in "fiub":
        raise Refused(f"{name!r} holds {dtype}, and only plain numbers are read")
    length = math.prod(shape) * dtype.itemsize
    within(length, min(cap, size), f"{name!r}, by its header,")
    data = entry.read(length + 1)
    if len(data) != length:
        raise Refused(f"{name!r} holds {len(data):,} bytes where its header says {length:,}")
    array = np.frombuffer(data, dtype=dtype).astype(dtype.newbyteorder("="))
    return array.reshape(shape, order="F" if by_column else "C")
