"""Files that stages leave for each other: whole or not there, so that a worker may die and do it again.

Tables lie there as they are in memory (Arrow IPC, uncompressed): to pack and unpack them takes longer than a disk does.
They are not forced to the disk: what a machine wrote that loses its power is not trusted afterwards (`run` sees to it).
"""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.data.on_disk import on_disk

__all__ = ["array", "of_shelves", "put_array", "put_json", "put_shelf", "put_table", "remembered", "table", "tables"]

OFFSET = np.dtype("<i8")


def put_table(path: Path, frame: pl.DataFrame) -> None:
    """Write a table as Arrow IPC."""
    _put(path, lambda beside: frame.write_ipc(beside))


def table(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """A table that `put_table` wrote, all its columns or some; left on the disk until it is looked at."""
    return pl.read_ipc(path, columns=list(columns) if columns else None)


def tables(paths: Sequence[Path]) -> pl.LazyFrame:
    """Several tables, one at least, one behind the other."""
    return pl.scan_ipc(list(paths), glob=False)


def put_shelf(path: Path, frame: pl.DataFrame, places: NDArray[np.integer], count: int) -> None:
    """Write a table as `count` tables that are read one without the others: row r stands in that of places[r], and rows
    of one keep their order. The file: `count`, so many offsets and two more, the tables, and one without a row."""
    if (places[1:] < places[:-1]).any():
        small = places.astype(np.uint16) if count <= 1 << 16 else places  # which numpy sorts by their digits
        frame = frame[np.argsort(small, kind="stable")]
    ends = np.cumsum(np.bincount(places, minlength=count)).tolist()
    head = OFFSET.itemsize * (count + 3)

    def write(beside: Path) -> None:
        with beside.open("wb") as file:
            offsets = [count, head]
            file.seek(head)
            for begin, end in (*pairwise([0, *ends]), (0, 0)):
                if end > begin or len(offsets) == count + 2:
                    file.write(_packed(frame[begin:end]))
                offsets.append(file.tell())
            file.seek(0)
            file.write(np.array(offsets, dtype=OFFSET).tobytes())

    _put(path, write)


def of_shelves(paths: Sequence[Path], place: int) -> pl.DataFrame:
    """The rows that several shelves, one at least, have in one place, one shelf behind the other."""
    found = [piece for path in paths if (piece := _of_shelf(path, place)) is not None]
    return pl.concat(found or [_without_rows(paths[0])])


def _of_shelf(path: Path, place: int) -> pl.DataFrame | None:
    with path.open("rb", buffering=0) as file:
        file.seek(OFFSET.itemsize * (place + 1))
        begin, end = np.frombuffer(file.read(2 * OFFSET.itemsize), dtype=OFFSET).tolist()
        file.seek(begin)
        return pl.read_ipc(io.BytesIO(file.read(end - begin))) if end > begin else None


def _without_rows(path: Path) -> pl.DataFrame:
    with path.open("rb") as file:
        count = int(np.frombuffer(file.read(OFFSET.itemsize), dtype=OFFSET)[0])
    found = _of_shelf(path, count)
    assert found is not None
    return found


def _packed(frame: pl.DataFrame) -> memoryview:
    out = io.BytesIO()
    frame.write_ipc(out)
    return out.getbuffer()


def put_array(path: Path, values: NDArray[Any]) -> None:
    """Write an array as .npy."""

    def write(beside: Path) -> None:
        with beside.open("wb") as file:
            np.save(file, values, allow_pickle=False)

    _put(path, write)


def array(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """An array that `put_array` wrote. mapped: left on the disk until it is looked at."""
    values: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    return values


def put_json(path: Path, value: Any) -> None:
    """Write plain data."""
    _put(path, lambda beside: beside.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8"))


def remembered(folder: Path, function: Callable[[int], Any], number: int) -> Any:
    """What the function makes of the number, which is plain data: made once, and read from the folder afterwards."""
    path = folder / f"{number:06}.json"
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    value = function(number)
    put_json(path, value)
    return value


def _put(path: Path, write: Callable[[Path], Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with on_disk(path, "What was done until then is kept: make room, and the same call goes on from it"):
            write(beside)
            os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
