"""What is known of users before they ask: their histories, and what most users had."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Dataset, Histories, Split
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError
from recprune.evaluation.inputs import Renumber, renumbered
from recprune.evaluation.inputs import known as known_before
from recprune.serving.recommender import Codes, Listed

__all__ = ["PARTS", "Known", "known_of"]

PARTS = ("all", "valid", "train")
"""How much of a split counts as known: all of it, all before the test part, or the train part alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What a prepared folder knows, in the codes of one model.

    users: outside id -> row of the histories. histories: items in the codes of the model, 0 for one that left.
    codes: (rows,) the code that each user has in the model, 0 where it left. items: the ids of the data, those that
    left the model among them. popular: codes of the items that anybody had, most users first, equal ones by number.
    counts: (n_items,) how many users had each.
    """

    users: Vocabulary
    histories: Histories
    codes: Codes
    items: Vocabulary
    popular: Codes
    counts: NDArray[np.float32]

    def most_had(self, k: int, exclude: Codes) -> Listed:
        """The k items that most users had, without those excluded; scores are the numbers of users."""
        first = self.popular[: k + len(exclude)]
        items = first[~np.isin(first, exclude)][:k]
        return Listed(items, self.counts[items])


def known_of(split: Split, renumber: Renumber, part: str = "all") -> Known:
    """What the data knows. renumber: column -> the model's code of every code of the data, where ids left the model.

    Raises DataError for data without users and items, and for a part that is none of PARTS.
    """
    if part not in PARTS:
        raise DataError(f"what is known is one of {', '.join(PARTS)}, not {part!r}", part=part)
    vocabularies = split.vocabularies
    if not {"user", "item"} <= vocabularies.keys():
        raise DataError("lists need data with users and items; this has " + (", ".join(vocabularies) or "no ids"))
    before = split.train.histories() if part == "train" else known_before(split, "test")
    if part == "all":
        before = _joined(before, split.test)
    histories = renumbered(before, renumber)
    counts = np.bincount(histories.once().items, minlength=histories.n_items)
    popular = np.argsort(-counts, kind="stable")
    popular = popular[counts[popular] > 0]
    codes = renumber.get("user", np.arange(len(vocabularies["user"])))
    return Known(vocabularies["user"], histories, codes, vocabularies["item"], popular, counts.astype(np.float32))


def _joined(before: Histories, part: Dataset) -> Histories:
    """The histories with those of one more part behind them."""
    if not len(part):
        return before
    after = part.histories()
    users = np.concatenate([np.repeat(np.arange(h.n_users), h.counts()) for h in (before, after)])
    order = np.argsort(users, kind="stable")
    items = np.concatenate([before.items, after.items])[order]
    return Histories(before.starts + after.starts, items, before.n_items)
