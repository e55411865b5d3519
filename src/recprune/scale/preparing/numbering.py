"""Stage 7: the rows of a bucket as numbers, each with its part, and what there is to say of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.data.dataset import Dataset
from recprune.data.encode import missing, numbers
from recprune.data.split import leaked
from recprune.scale.pieces import array, put_array, put_shelf
from recprune.scale.preparing.ids import places, staying
from recprune.scale.preparing.job import PART, ROW, WIDTH, Job
from recprune.scale.preparing.parting import Labels, labels

__all__ = ["numbered"]


def numbered(job: Job, widths: Mapping[str, int], bucket: int) -> dict[str, Any]:
    """Write the rows of a bucket encoded, a table for every part of the source. widths: codes that the longest list of
    each multi-valued field has anywhere.

    Says how many rows each part has, how many lack a field, which labels train has, and how many pairs of user and item
    stand in more than one part. Leaves which ids train has, and which the other parts.
    """
    frame = staying(job, bucket)
    columns = {name: _column(job, bucket, name, frame, widths) for name in job.names}
    parts = labels(job, bucket, frame)
    for column, name in enumerate(job.ids):
        _leave_seen(job, bucket, column, frame[name].to_numpy(), parts)
    series = {name: pl.Series(name, values) for name, values in columns.items()}
    table = pl.DataFrame({**series, ROW: frame[ROW], PART: parts})
    rows = frame[ROW].to_numpy() >> WIDTH
    put_shelf(job.place("numbered", bucket, "shelf"), table, rows, len(job.source.parts))
    return {
        "rows": np.bincount(parts, minlength=3).tolist(),
        "missing": missing(Dataset(columns, {}, job.roles)),
        "labels": np.unique(columns["label"][parts == 0]).tolist() if "label" in columns else [],
        "leaks": _leaks(frame, columns, parts) if job.policy == "all" else 0,  # else a pair has one row
    }


def _column(job: Job, bucket: int, name: str, frame: pl.DataFrame, widths: Mapping[str, int]) -> NDArray[Any]:
    if name not in job.ids:
        return numbers(name, frame[name])
    column, mine = job.ids.index(name), frame[name].to_numpy()
    codes = array(job.place("codes", column, "npy"), mapped=True)
    found: NDArray[np.int32] = np.asarray(codes[places(job, column, bucket)])[mine]
    if found.ndim == 1:
        return found
    out = np.zeros((len(found), widths[name]), dtype=np.int32)
    least = min(out.shape[1], found.shape[1])
    out[:, :least] = found[:, :least]
    return out


def _leave_seen(job: Job, bucket: int, column: int, codes: NDArray[np.int32], parts: Labels) -> None:
    """The distinct codes of train, and those of the other parts; of the bucket, which has a few of all."""
    mine = np.asarray(array(job.place("codes", column, "npy"), mapped=True)[places(job, column, bucket)])
    for where, rows in (("train", parts == 0), ("other", parts > 0)):
        flags = np.zeros(len(mine), dtype=np.bool_)
        flags[codes[rows].ravel()] = True
        put_array(job.place(f"{where}/{column}", bucket, "npy"), np.unique(mine[flags]))


def _leaks(frame: pl.DataFrame, columns: Mapping[str, NDArray[Any]], parts: Labels) -> int:
    if "label" in columns or not {"user", "item"} <= columns.keys():
        return 0
    keys = frame["user"].to_numpy().astype(np.int64)
    keys *= int(columns["item"].max(initial=0)) + 1
    keys += columns["item"]
    keys *= 4
    keys += parts
    return leaked(keys)
