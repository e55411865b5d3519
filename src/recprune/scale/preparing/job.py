"""Job: all that a stage has to know, as plain data that travels to workers; the work itself lies in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from recprune.data.dataset import Roles
from recprune.data.encode import renamed
from recprune.data.intern import id_columns
from recprune.scale.pieces import table
from recprune.scale.preparing.source import Source

__all__ = ["PART", "ROW", "WIDTH", "Job"]

ROW, PART = "row\0", "part\0"
"""Columns beside those of the log: which row it was, and whether it is for train (0), validation (1) or test (2). No
file has columns of these names."""

WIDTH = 40
"""Bits of a row's number inside its part; the number of the part stands above them, so that rows sort as they lay."""


@dataclass(frozen=True, slots=True)
class Job:
    """source: what is read, in parts. folder: where stages leave what they made, seen by every worker.

    buckets: how many a log is parted into by user; a bucket holds its users whole and fits into memory.
    policy, since, until, least_user, least_item: as in `clean`. way, valid, test, seed: as in `SplitBy`.
    """

    source: Source
    folder: Path
    buckets: int
    policy: str
    least_user: int
    least_item: int
    since: float | str | None
    until: float | str | None
    way: str
    valid: float
    test: float
    seed: int

    @property
    def roles(self) -> Roles:
        """The roles once rows that are not positive have left, or are marked by their label."""
        given = self.source.roles
        return replace(given, positive=None) if given.positive and given.label else given

    @property
    def names(self) -> dict[str, str]:
        """Name in the dataset -> column of the log."""
        return renamed(self.roles)

    @property
    def ids(self) -> list[str]:
        """Names in the dataset of the columns of ids."""
        raw = set(id_columns(self.roles))
        return [name for name, column in self.names.items() if column in raw]

    def place(self, stage: str, number: int, kind: str = "arrow") -> Path:
        """The file that a stage leaves for a part or a bucket."""
        return self.folder / stage / f"{number:06}.{kind}"

    def all_of(self, stage: str, kind: str = "arrow") -> list[Path]:
        """The files that a stage has left, in order."""
        return sorted((self.folder / stage).glob(f"*.{kind}"))

    def bucket(self, stage: str, number: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """What a stage has left for one bucket."""
        return table(self.place(stage, number), columns)
