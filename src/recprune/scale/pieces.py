"""Files that stages leave for each other: whole or not there, so that a worker may die and do it again.

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

__all__ = ["array", "of_shelves", "put_array", "put_json", "put_shelf", "put_table", "remembered"]

OFFSET = np.dtype("<i8")


def put_table(path: Path, frame: pl.DataFrame) -> None:
    """Write a table as Parquet."""
    _put(path, lambda beside: frame.write_parquet(beside, compression="lz4", statistics=False))


def put_shelf(path: Path, frame: pl.DataFrame, places: NDArray[np.integer], count: int) -> None:
    """Write a table as `count` tables that are read one without the others: row r stands in that of places[r], and rows
    of one keep their order. The file: `count`, so many offsets and two more, the tables, and one without a row."""
    if (places[1:] < places[:-1]).any():
        frame = frame[np.argsort(places, kind="stable")]
    ends = np.cumsum(np.bincount(places, minlength=count)).tolist()
    pieces = [_packed(frame[begin:end]) if end > begin else b"" for begin, end in pairwise([0, *ends])]
    pieces.append(_packed(frame[:0]))
    head = OFFSET.itemsize * (count + 3)
    offsets = np.cumsum([head, *map(len, pieces)]).astype(OFFSET)
    content = [np.array([count], dtype=OFFSET).tobytes(), offsets.tobytes(), *pieces]
    _put(path, lambda beside: beside.write_bytes(b"".join(content)))


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


def _packed(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_ipc(out, compression="lz4")
    return out.getvalue()


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
        write(beside)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
