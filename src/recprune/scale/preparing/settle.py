"""Stage 2: a bucket is cleaned as far as it goes without the others, and its ids become numbers of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.data.encode import distinct, looked_up, padded
from recprune.data.intern import interned
from recprune.data.keep import tidied
from recprune.scale.pieces import of_shelves, put_table
from recprune.scale.preparing.job import ROW, Job

__all__ = ["settle"]


def settle(job: Job, bucket: int) -> dict[str, Any]:
    """Write the rows of a bucket that stay so far, in their order, and for each column of ids which they are.

    An id becomes its place (from 1; 0 is missing) among those of the bucket, shorter ones first, then by their bytes,
    as in every vocabulary. Says how many rows stay, and how many left by which rule of `clean`.
    """
    frame = of_shelves(job.all_of("scatter", "shelf"), bucket)
    rows = interned(frame.lazy(), job.source.roles, beside=(ROW,))
    rows, _, counts = tidied(rows, job.source.roles, job.policy, job.since, job.until)
    ids, names = set(job.ids), job.names
    columns: dict[str, Any] = {}
    for name, raw in names.items():
        columns[name] = _numbered(job, bucket, name, rows[raw]) if name in ids else rows[raw].alias(name)
    columns[ROW] = rows[ROW]
    put_table(job.place("settled", bucket), pl.DataFrame(columns))
    return {"rows": rows.height, "counts": counts}


def _numbered(job: Job, bucket: int, name: str, values: pl.Series) -> pl.Series:
    """(n,) or, of multi-valued fields, (n, width) numbers of the ids of the bucket."""
    listed = isinstance(values.dtype, pl.List)
    flat = values.explode(empty_as_null=False, keep_nulls=False) if listed else values
    table = distinct(flat)
    put_table(job.place(f"ids/{job.ids.index(name)}", bucket), table.select("id"))
    codes: NDArray[np.int32] = looked_up(flat, table, np.arange(1, table.height + 1, dtype=np.int32))
    return pl.Series(name, padded(codes, values) if listed else codes)
