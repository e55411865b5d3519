"""Stage 3: which ids there are, and in which order, from those of the buckets; stage 5: which of them are left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.scale.pieces import array, put_array, put_table
from recprune.scale.preparing.job import ROW, WIDTH, Job

__all__ = ["located", "merge", "renumber", "seen"]


def merge(job: Job, column: int) -> dict[str, Any]:
    """Write the ids of all buckets in one column, each once, shorter ones first, then by their bytes."""
    ids = pl.scan_parquet(job.all_of(f"ids/{column}"), glob=False).unique()
    table = ids.sort(pl.col("id").str.len_bytes(), pl.col("id")).collect(engine="streaming")
    put_table(job.place("merged", column), table)
    return {"ids": table.height}


def located(job: Job, bucket: int) -> dict[str, Any]:
    """Write, for each column of ids, the place among all ids (from 1) of every id of the bucket; (ids + 1,) int32."""
    for column in range(len(job.ids)):
        mine = pl.scan_parquet(job.place(f"ids/{column}", bucket), glob=False)
        every = pl.scan_parquet(job.place("merged", column), glob=False).with_row_index("place", offset=1)
        found = every.join(mine, on="id", how="semi").select("place").collect(engine="streaming")
        both = np.concatenate([[0], np.sort(found["place"].to_numpy())])  # both lie in the same order
        put_array(job.place(f"places/{column}", bucket, "npy"), both.astype(np.int32))
    return {}


def seen(job: Job, bucket: int) -> dict[str, Any]:
    """Write which ids of the bucket its rows still have. Says how many rows there are, of every part of the source, and
    how many codes the longest list of each multi-valued field has."""
    frame = staying(job, bucket)
    widths = {}
    for column, name in enumerate(job.ids):
        codes = frame[name].to_numpy()
        flags = np.zeros(len(places(job, column, bucket)), dtype=np.bool_)
        flags[codes.ravel()] = True
        put_array(job.place(f"seen/{column}", bucket, "npy"), flags)
        if codes.ndim == 2:
            widths[name] = int((codes > 0).sum(1).max(initial=1))
    rows = frame[ROW].to_numpy()
    put_array(job.place("rows", bucket, "npy"), rows)
    of_part = np.bincount(rows >> WIDTH, minlength=len(job.source.parts))
    return {"rows": len(rows), "of part": of_part.tolist(), "widths": widths}


def renumber(job: Job, column: int) -> dict[str, Any]:
    """Write the vocabulary of a column, and (all ids + 1,) int32: the code of every id, 0 for those that left."""
    table = pl.read_parquet(job.place("merged", column), glob=False)
    flags = np.zeros(table.height + 1, dtype=np.bool_)
    for bucket in range(job.buckets):
        flags[places(job, column, bucket)[array(job.place(f"seen/{column}", bucket, "npy"))]] = True
    flags[0] = False
    codes = np.where(flags, np.cumsum(flags), 0).astype(np.int32)
    put_table(job.place("vocabulary", column), table.filter(pl.Series(flags[1:])))
    put_array(job.place("codes", column, "npy"), codes)
    return {"ids": int(flags.sum())}


def places(job: Job, column: int, bucket: int) -> NDArray[np.int32]:
    """What `located` wrote."""
    return array(job.place(f"places/{column}", bucket, "npy"))


def staying(job: Job, bucket: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The rows of a bucket that the rare ones have left, all their columns or some."""
    frame, masks = job.bucket("settled", bucket, columns), sorted((job.folder / "stays").glob(f"*/{bucket:06}.npy"))
    return frame.filter(pl.Series(array(masks[-1]))) if masks else frame
