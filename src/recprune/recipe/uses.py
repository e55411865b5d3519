"""uses(): how often each row of the tables of a smaller model is looked up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recprune.data.dataset import Split
from recprune.planning.plan import Plan
from recprune.recipe.probing import code_counts
from recprune.surgery import renumber

__all__ = ["uses", "uses_of"]


def uses(plan: Plan, split: Split) -> dict[str, Tensor]:
    """Table -> (rows,) how often each row is looked up in train, of the tables that are stored in fewer bits and hold
    the rows of one column of the data alone, after the ids that leave have left.

    split: in the codes of the model that the plan is of. A table of several columns one after the other, or of as many
    rows as several columns have codes, is left out: nothing is known of its rows.
    """
    codes, stored = renumber(plan), plan.packed()
    counts = {name: _after(found, codes.get(name)) for name, found in code_counts(split).items()}
    before = {name: len(vocabulary) for name, vocabulary in split.vocabularies.items()}
    tables = {tensor: plan.survey.shapes[tensor][0] for tensor in stored.keys() & plan.survey.features}
    return uses_of(tables, before, counts)


def uses_of(
    tables: Mapping[str, int], codes: Mapping[str, int], counts: Mapping[str, NDArray[np.int64]]
) -> dict[str, Tensor]:
    """Table -> how often each row is looked up, of those that have as many rows as one column alone has codes. counts:
    of each column, how often each code occurs."""
    mine = {table: [name for name, size in codes.items() if size == rows] for table, rows in tables.items()}
    return {table: torch.from_numpy(counts[names[0]]) for table, names in mine.items() if len(names) == 1}


def _after(counts: NDArray[np.int64], codes: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """(codes,) of the smaller model: those that left count for the row that answers for them."""
    return counts if codes is None else np.bincount(codes, weights=counts).astype(np.int64)
