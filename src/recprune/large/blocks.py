"""Blocks of rows from a file, one read ahead of the one that is worked on; the cache of the system is not filled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.data.ahead import ahead
from recprune.errors import ArtifactError

__all__ = ["BLOCK", "blocks"]

BLOCK = 16 << 20
"""Bytes of a block; two of them are held at a time, for one is read while the other is used."""


def blocks(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], begin: int = 0, size: int = BLOCK
) -> Iterator[NDArray[Any]]:
    """An array of that shape, some rows at a time, each good until the next one is asked for.

    Room for them is asked for here and not in the thread that reads: what a thread of its own has freed, the system
    often keeps for that thread. Raises ArtifactError where the file ends too early or is broken.
    """
    step = max(1, size // (dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))))
    pair = [np.empty((min(step, shape[0]), *shape[1:]), dtype=dtype) for _ in range(2)]
    return ahead(_blocks(path, shape[0], begin, pair))


def _blocks(path: Path, rows: int, begin: int, pair: list[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        _advise(handle, 0, "POSIX_FADV_SEQUENTIAL")
        step = max(1, len(pair[0]))
        for number, start in enumerate(range(0, rows, step)):
            block = pair[number % 2][: rows - start]
            place = begin + start * block[:1].nbytes
            _fill(path, handle, block, place)
            _advise(handle, place + block.nbytes, "POSIX_FADV_DONTNEED")
            yield block
    finally:
        os.close(handle)


def _fill(path: Path, handle: int, block: NDArray[Any], place: int) -> None:
    left = block.reshape(-1).view(np.uint8).data
    while len(left):
        try:
            got = os.preadv(handle, [left], place)
        except InterruptedError:
            continue
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read at byte {place:,}: {error.strerror}", path=str(path)) from error
        if not got:
            raise ArtifactError(f"{path} ends at byte {place:,}, {len(left):,} too early", path=str(path))
        left, place = left[got:], place + got


def _advise(handle: int, until: int, what: str) -> None:
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, 0, until, getattr(os, what))
