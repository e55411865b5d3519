"""Stage 3: which ids there are, and in which order, from those of the buckets; stage 5: which of them are left."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.data.encode import numbers
from recprune.errors import DataError
from recprune.scale.pieces import array, put_array, put_table, table, tables
from recprune.scale.preparing.job import ROW, WIDTH, Job

__all__ = ["bucket_of", "located", "merge", "renumber", "seen"]


def merge(job: Job, column: int) -> dict[str, Any]:
    """Write the ids of all buckets in one column, each once, shorter ones first, then by their bytes."""
    ids, users = tables(job.all_of(f"ids/{column}")), job.ids[column] == "user"
    every = ids if users else ids.unique()  # a user stands in one bucket
    found = every.sort(pl.col("id").str.len_bytes(), pl.col("id")).collect(engine="streaming")
    put_table(job.place("merged", column), found)
    if users:
        _locate_users(job, column, found["id"])
    return {"ids": found.height}


def bucket_of(job: Job, users: pl.Series) -> NDArray[np.uint16]:
    """The bucket of every user, by a hash of the id."""
    return (users.hash(0) % job.buckets).cast(pl.UInt16).to_numpy()


def _locate_users(job: Job, column: int, ids: pl.Series) -> None:
    """As `located`, of the users of all buckets, whose ids say in which they are."""
    buckets = bucket_of(job, ids)
    order = np.argsort(buckets, kind="stable").astype(np.int32) + 1
    ends = np.cumsum(np.bincount(buckets, minlength=job.buckets)).tolist()
    for bucket, (begin, end) in enumerate(pairwise([0, *ends])):
        _put_places(job, column, bucket, order[begin:end])


def _put_places(job: Job, column: int, bucket: int, found: NDArray[np.integer]) -> None:
    both = np.concatenate([[0], found]).astype(np.int32)
    put_array(job.place(f"places/{column}", bucket, "npy"), both)


def located(job: Job, bucket: int) -> dict[str, Any]:
    """Write, for each column of ids, the place among all ids (from 1) of every id of the bucket; (ids + 1,) int32."""
    for column, name in enumerate(job.ids):
        if name != "user":  # where `merge` did it
            mine = tables([job.place(f"ids/{column}", bucket)])
            every = tables([job.place("merged", column)]).with_row_index("place", offset=1)
            found = every.join(mine, on="id", how="semi").select("place").collect(engine="streaming")
            _put_places(job, column, bucket, np.sort(found["place"].to_numpy()))  # both lie in the same order
    return {}


def seen(job: Job, bucket: int) -> dict[str, Any]:
    """Write which ids of the bucket its rows still have. Says how many rows there are, and how many codes the longest
    list of each multi-valued field has. Where rows are drawn, leaves their numbers, and says how many each part of the
    source has; where times part them, leaves these, and says the first and the last of them."""
    frame = staying(job, bucket, [*job.ids, ROW, *(["time"] if "time" in job.names and job.way == "time" else [])])
    widths = {}
    for column, name in enumerate(job.ids):
        codes = frame[name].to_numpy()
        flags = np.zeros(len(places(job, column, bucket)), dtype=np.bool_)
        flags[codes.ravel()] = True
        put_array(job.place(f"seen/{column}", bucket, "npy"), flags)
        if codes.ndim == 2:
            widths[name] = int((codes > 0).sum(1).max(initial=1))
    said = {"rows": frame.height, "widths": widths}
    if job.way == "random":
        rows = frame[ROW].to_numpy()
        put_array(job.place("rows", bucket, "npy"), rows)
        said["of part"] = np.bincount(rows >> WIDTH, minlength=len(job.source.parts)).tolist()
    if job.way == "time":
        times = times_of(frame)
        put_array(job.place("times", bucket, "npy"), times)
        said["times"] = [int(times.min()), int(times.max())] if len(times) else []
    return said


def renumber(job: Job, column: int) -> dict[str, Any]:
    """Write the vocabulary of a column, and (all ids + 1,) int32: the code of every id, 0 for those that left."""
    every = table(job.place("merged", column))
    flags = np.zeros(every.height + 1, dtype=np.bool_)
    for bucket in range(job.buckets):
        flags[places(job, column, bucket)[array(job.place(f"seen/{column}", bucket, "npy"))]] = True
    flags[0] = False
    codes = np.where(flags, np.cumsum(flags), 0).astype(np.int32)
    put_table(job.place("vocabulary", column), every.filter(pl.Series(flags[1:])))
    put_array(job.place("codes", column, "npy"), codes)
    return {"ids": int(flags.sum())}


def places(job: Job, column: int, bucket: int) -> NDArray[np.int32]:
    """What `located` wrote."""
    return array(job.place(f"places/{column}", bucket, "npy"))


def staying(job: Job, bucket: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The rows of a bucket that the rare ones have left, all their columns or some."""
    frame, masks = job.bucket("settled", bucket, columns), sorted((job.folder / "stays").glob(f"*/{bucket:06}.npy"))
    return frame.filter(pl.Series(array(masks[-1]))) if masks else frame


def times_of(frame: pl.DataFrame) -> NDArray[np.int64]:
    """The times of rows. Raises DataError where they have none."""
    if "time" not in frame.columns:
        raise DataError("this split needs a column with the role time; otherwise use a random split", column="time")
    return numbers("time", frame["time"])
