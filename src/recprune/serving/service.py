"""One model that gives lists, by outside ids: who asks, what they had, what they may not be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recprune.data.vocabulary import Vocabulary
from recprune.serving.known import Known
from recprune.serving.recommender import Codes, Listed, Recommender
from recprune.serving.refusals import Refusal

__all__ = ["Given", "Service"]

NONE = np.zeros(0, dtype=np.int64)


class Given(NamedTuple):
    """A list as it goes out. fallback: it is what most users had. left: ids that were asked by and left the model."""

    items: list[str]
    scores: list[float]
    fallback: bool
    left: int


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """items: the ids that the model knows. known: histories and popularity; None for a server without data.

    users: the ids that the model knows, where there is no data and it has a table of users. shared: whether row 0 of
    that table answers for users that left by pruning; otherwise it has learned nothing of those that it stands for.
    """

    recommender: Recommender
    items: Vocabulary
    known: Known | None = None
    users: Vocabulary | None = None
    shared: bool = True

    def by_user(self, user: str, k: int, exclude: Sequence[str] = ()) -> Given:
        """The list of a user, without what it had. Raises Refusal: unknown_user, no_history."""
        barred = self._barred(exclude)
        if self.known is None:
            code = int(self.users.encode((user,))[0]) if self.users is not None and self.recommender.by_user else 0
            if not code:
                raise Refusal("unknown_user")
            return self._given(self.recommender.lists(code, NONE, k, barred))
        row = int(self.known.users.encode((user,))[0])
        if not row:
            raise Refusal("unknown_user")
        starts, code = self.known.histories.starts, int(self.known.codes[row])
        history = self.known.histories.items[starts[row] : starts[row + 1]].astype(np.int64)
        barred = np.concatenate([barred, history])
        left = int(self.recommender.by_user and self.shared and not code) + int(np.count_nonzero(history == 0))
        if self.cold(len(history), int(np.count_nonzero(history)), code):
            return self._given(self.known.most_had(k, barred), fallback=True, left=left)
        return self._given(self.recommender.lists(code, history, k, barred), left=left)

    def by_history(self, history: Sequence[str], k: int, exclude: Sequence[str] = ()) -> Given:
        """The list of somebody with this history, oldest first, without it. Raises Refusal: unknown_item, no_history.

        An item that left the model counts as the unknown one. A model that knows users alone falls back.
        """
        codes = self.items.encode(history).astype(np.int64)
        left = int(np.count_nonzero(codes == 0))
        if left and self._strange([key for key, code in zip(history, codes, strict=True) if not code]):
            raise Refusal("unknown_item")
        barred = np.concatenate([self._barred(exclude), codes])
        if self.recommender.by_history and codes.any():
            return self._given(self.recommender.lists(0, codes, k, barred), left=left)
        if self.known is None:
            raise Refusal("no_history")
        return self._given(self.known.most_had(k, barred), fallback=True, left=left)

    def cold(self, had: int, had_here: int, code: int) -> bool:
        """Whether the model has nothing to go by. had: interactions of a user; had_here: with items that it knows;
        code: of the user in the model, 0 where it has none."""
        known = self.recommender.by_user and had and (code or self.shared)
        return not (known or (self.recommender.by_history and had_here))

    def _strange(self, ids: Sequence[str]) -> bool:
        """Whether one of these ids is in no data, rather than having left the model."""
        return self.known is None or not self.known.items.encode(ids).all()

    def _barred(self, ids: Sequence[str]) -> Codes:
        return self.items.encode(ids).astype(np.int64) if ids else NONE

    def _given(self, listed: Listed, *, fallback: bool = False, left: int = 0) -> Given:
        ids = self.items.ids
        return Given([ids[code - 1] for code in listed.items.tolist()], listed.scores.tolist(), fallback, left)
