"""Side tables: the fields of users and of items, beside the rows of a log."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from recprune.data.log import Log, Rejected

__all__ = ["beside"]


def beside(log: Log, side: Log, key: str) -> Log:
    """The log with the other columns of a side table, by a key that both have; null where it does not know the key.

    The first row of a key counts. Further ones are counted ("KEY stands in its table already"), and rows of the side
    table that could not be read stand aside with those of the log.
    """
    first = side.frame.unique(key, keep="first", maintain_order=True)
    frame = log.frame.join(first, on=key, how="left", maintain_order="left")
    rows = side.frame.select(pl.len(), pl.col(key).n_unique().alias("keys")).collect().row(0)
    further = {f"{key} stands in its table already": rows[0] - rows[1]} if rows[0] > rows[1] else {}
    rejected = log.rejected + side.rejected + Rejected(further)
    return replace(log, frame=frame, rejected=rejected, spool=(log.spool, side.spool))
