"""Stage 8: rows go back to where they stood, and the parts of the split are written, each as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.data.log import ASIDE
from recprune.data.store import PARTS, seal
from recprune.scale.pieces import array, of_shelves, put_table, table, tables
from recprune.scale.preparing.job import PART, ROW, WIDTH, Job

__all__ = ["gathered", "only_outside", "written"]


def gathered(job: Job, part: int) -> int:
    """Write the rows of a part of the source in their order, a table for train, validation and test each."""
    frame = of_shelves(job.all_of("numbered", "shelf"), part).rechunk()
    order = _ordered(frame[ROW].to_numpy() & ((1 << WIDTH) - 1))
    parts, rows = frame[PART].to_numpy()[order], frame.drop(ROW, PART)
    for number, name in enumerate(PARTS):
        put_table(job.place(name, part), rows[order[parts == number]])
    return frame.height


def _ordered(places: NDArray[np.int64]) -> NDArray[np.int32]:
    """As argsort, of different numbers with few gaps between them: by putting each where it belongs."""
    found = np.full(int(places.max(initial=-1)) + 1, -1, dtype=np.int32)
    found[places] = np.arange(len(places), dtype=np.int32)
    return found[found >= 0]


def written(job: Job, rows: dict[str, int], folder: Path) -> None:
    """Write all files of a prepared folder, the manifest last; rows: of each part."""
    for name in PARTS:
        rows_of = tables(job.all_of(name))
        rows_of.sink_parquet(folder / f"{name}.parquet", compression="zstd", row_group_size=1 << 20)
    names = {}
    for column, name in enumerate(job.ids):
        names[name] = f"vocabulary-{column}.parquet"
        ids = table(job.place("vocabulary", column)).rechunk()  # its pieces would become row groups
        ids.write_parquet(folder / names[name])
    seal(folder, job.roles, rows, names, job.source.origin)


def only_outside(job: Job, column: int, ids: int) -> int:
    """How many of the ids of a column stand in validation or test, but not in train."""
    flags = {where: np.zeros(ids + 1, dtype=np.bool_) for where in ("train", "other")}
    for where, seen in flags.items():
        for bucket in range(job.buckets):
            seen[array(job.place(f"{where}/{column}", bucket, "npy"))] = True
    return int((flags["other"] & ~flags["train"])[1:].sum())


def rejected(job: Job, lines: list[int], path: Path) -> Any:
    """Write what could not be read, as `Rejected.write` does; lines: how many each part of the source has."""
    before = np.concatenate([[0], np.cumsum(lines)]).tolist()
    aside = [
        tables([job.place("aside", part)]).with_columns(pl.col("line") + before[part])
        for part in range(len(job.source.parts))
        if job.place("aside", part).is_file()
    ]
    first = [tables([Path(job.source.aside)])] if job.source.aside else []
    pl.concat([pl.LazyFrame(schema=ASIDE), *first, *aside]).sink_csv(path, separator="\t")
