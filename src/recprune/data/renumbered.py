"""Data for a model that some ids have left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Dataset

__all__ = ["renumbered"]


def renumbered(data: Dataset, renumber: Mapping[str, NDArray[Any]]) -> Dataset:
    """The same rows with the new codes, 0 where an id left, and the smaller vocabularies.

    renumber: column -> (old rows,) the new code of every old code, 0 for those that left. `sequence` holds items.
    """
    columns, vocabularies = dict(data.columns), dict(data.vocabularies)
    past = {"sequence": renumber["item"]} if "item" in renumber else {}
    for column, codes in {**past, **renumber}.items():
        if column in columns:
            columns[column] = codes[columns[column]].astype(np.int32)
        if column in vocabularies:
            vocabularies[column] = vocabularies[column].restrict(np.flatnonzero(codes))
    return Dataset(columns, vocabularies, data.roles)
