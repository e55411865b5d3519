"""Reach: whom and what a model can still serve, which recall and AUC hide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.evaluation.inputs import Renumber
from recprune.evaluation.truth import Truth

__all__ = ["Reach", "fallen", "reach"]


@dataclass(frozen=True, slots=True)
class Reach:
    """Test items that a model that ranks can, does and never will recommend.

    items, pairs: distinct test items of the vocabulary, and the (user, item) pairs of test that hold them.
    unreachable, unreachable_pairs: those of them that the model can recommend to nobody: the item's id left, so that
    the unknown item answers for it, or it scores -inf for every user of the part. unlisted: test items that stand in
    nobody's list, the unreachable ones among them.
    """

    items: int
    pairs: int
    unreachable: int
    unreachable_pairs: int
    unlisted: int


def reach(wanted: Truth, top: NDArray[np.int64], offered: NDArray[np.bool_]) -> Reach:
    """top: (users, k) lists; offered: (n_items,) what could be recommended, as `lists` gives it."""
    of_pairs = wanted.keys % wanted.n_items
    items = np.unique(of_pairs)
    return Reach(
        items=len(items),
        pairs=len(of_pairs),
        unreachable=int((~offered[items]).sum()),
        unreachable_pairs=int((~offered[of_pairs]).sum()),
        unlisted=len(np.setdiff1d(items, top)),
    )


def fallen(columns: Mapping[str, NDArray[Any]], renumber: Renumber | None) -> dict[str, int]:
    """Column -> in how many cases an id of it left the model, so that the unknown one answers.

    columns: codes of every case, (cases,) or (cases, width) where a case holds several (one that left is enough).
    Columns of which no id left are not named.
    """
    out = {}
    for name, codes in columns.items():
        if renumber is not None and name in renumber and codes.dtype.kind != "f":
            gone = (codes > 0) & (renumber[name][codes] == 0)
            out[name] = int((gone.any(1) if gone.ndim > 1 else gone).sum())
    return out
