"""Table: a matrix in a safetensors file, known by its header alone; no row is read here."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.errors import ArtifactError
from recprune.plain_json import read_json

__all__ = ["Table", "header", "read_table"]

TYPES: Mapping[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}
"""Types of rows that are measured, as they lie in the file; numpy knows no bfloat16, which is the upper half of F32."""
LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Table:
    """(rows, columns) numbers of a file, from byte `begin` on, row by row. dtype: as safetensors names it."""

    path: Path
    name: str
    dtype: str
    rows: int
    columns: int
    begin: int

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.columns * TYPES[self.dtype].itemsize

    def numbers(self, block: NDArray[Any]) -> NDArray[Any]:
        """Rows as they lie in the file, as numbers."""
        if self.dtype == "BF16":
            wide: NDArray[Any] = (block.astype(np.uint32) << 16).view(np.float32)
            return wide
        return block.astype(np.float32) if self.dtype == "F16" else block


def read_table(path: str | Path, name: str | None = None) -> Table:
    """What the header of a safetensors file says of a matrix; `name` may be left out where there is only one.

    Raises ArtifactError where the file is none, is shorter than it says, or holds no such matrix of floats.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            length, size = int.from_bytes(file.read(8), "little"), os.fstat(file.fileno()).st_size
            if not 2 <= length <= min(LONGEST, size - 8):
                raise ValueError(f"a header of {length:,} bytes is not possible")
            said: dict[str, Any] = read_json(file.read(length))
        matrices = {
            n: t for n, t in said.items() if n != "__metadata__" and len(t["shape"]) == 2 and t["dtype"] in TYPES
        }
        found = name or (next(iter(matrices)) if len(matrices) == 1 else "")
        if found not in matrices:
            raise ValueError(f"no matrix {found!r}; there are: {', '.join(matrices) or 'none'}")
        (rows, columns), (begin, end) = matrices[found]["shape"], matrices[found]["data_offsets"]
        table = Table(path, found, matrices[found]["dtype"], int(rows), int(columns), 8 + length + int(begin))
        if (
            min(rows, columns) < 1
            or end - begin != rows * table.row_bytes
            or table.begin + rows * table.row_bytes > size
        ):
            raise ValueError(f"{found!r} is {rows:,} × {columns:,}, which does not fit its bytes")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ArtifactError(f"{path} cannot be read as a table: {error}", path=str(path)) from error
    return table


def header(tensors: Mapping[str, tuple[str, tuple[int, ...], int]]) -> bytes:
    """The beginning of a safetensors file. tensors: name -> type, shape, bytes, in the order of the file."""
    at, content = 0, {}
    for name, (dtype, shape, size) in tensors.items():
        content[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(content, separators=(",", ":")).encode()
    text = text.ljust(math.ceil(len(text) / 8) * 8)
    return len(text).to_bytes(8, "little") + text
