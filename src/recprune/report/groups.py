"""Groups of users: by how much is known of them, and by what the data says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Split
from recprune.evaluation.inputs import known
from recprune.report.judged import Judged

__all__ = ["Group", "groups"]

FIELDS, VALUES = 2, 6
"""Fields of users that are looked at, and the most frequent values of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Cases of some users. cases: (n,) bool."""

    name: str
    cases: NDArray[np.bool_]


def groups(judged: Judged, split: Split) -> tuple[Group, ...]:
    """Quarters of the cases by known items, and values of user fields; none where the data has no users."""
    if not judged.users.any():
        return ()
    return (*_by_activity(judged.seen), *_by_fields(judged, split))


def _by_activity(seen: NDArray[np.int64]) -> Iterator[Group]:
    """Quarters, as far as they differ."""
    quarters = np.quantile(seen, [0, 0.25, 0.5, 0.75]).round().astype(np.int64)
    edges = np.unique([*quarters.tolist(), int(seen.max()) + 1])
    for low, high in pairwise(edges.tolist()):
        cases = (seen >= low) & (seen < high)
        if cases.any():
            name = f"{low:,} to {high - 1:,} items known" if high - 1 > low else f"{low:,} items known"
            yield Group(name, cases)


def _by_fields(judged: Judged, split: Split) -> Iterator[Group]:
    """Users by the values that train has of them last."""
    there = [n for n in split.train.roles.of_user if n in split.vocabularies and split.train[n].ndim == 1]
    for name in there[:FIELDS]:
        of_user = np.zeros(known(split, "test").n_users, dtype=np.int64)
        of_user[split.train["user"]] = split.train[name]
        codes = of_user[judged.users]
        counts = np.bincount(codes, minlength=len(split.vocabularies[name]))
        for code in np.argsort(-counts, kind="stable")[:VALUES].tolist():
            if code and counts[code]:
                yield Group(f"{name} = {split.vocabularies[name].ids[code - 1]}", codes == code)
