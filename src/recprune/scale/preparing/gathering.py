"""Stage 8: rows go back to where they stood, and the parts of the split are written, each as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recprune.data.store import PARTS, seal
from recprune.scale.pieces import array, of_shelves, put_table
from recprune.scale.preparing.job import PART, ROW, Job

__all__ = ["gathered", "only_outside", "written"]


def gathered(job: Job, part: int) -> int:
    """Write the rows of a part of the source in their order, a table for train, validation and test each."""
    table = of_shelves(job.all_of("numbered", "shelf"), part).sort(ROW)
    for number, name in enumerate(PARTS):
        put_table(job.place(name, part), table.filter(pl.col(PART) == number).drop(ROW, PART))
    return table.height


def written(job: Job, rows: dict[str, int], folder: Path) -> None:
    """Write all files of a prepared folder, the manifest last; rows: of each part."""
    for name in PARTS:
        table = pl.scan_parquet(job.all_of(name), glob=False)
        table.sink_parquet(folder / f"{name}.parquet", compression="zstd", row_group_size=1 << 20)
    names = {}
    for column, name in enumerate(job.ids):
        names[name] = f"vocabulary-{column}.parquet"
        pl.scan_parquet(job.place("vocabulary", column), glob=False).sink_parquet(folder / names[name])
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
    tables = [
        pl.scan_parquet(job.place("aside", part), glob=False).with_columns(pl.col("line") + before[part])
        for part in range(len(job.source.parts))
    ]
    first = [pl.scan_parquet(job.source.aside, glob=False)] if job.source.aside else []
    pl.concat([*first, *tables]).sink_csv(path, separator="\t")
