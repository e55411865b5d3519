"""What a server offers at one moment: it is swapped as a whole, never changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recprune.serving.scorer import Scorer
from recprune.serving.service import Service

__all__ = ["SOME", "Offer"]

SOME = 20
"""Length of a list where none is said."""


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """lists: the model of /recommend. against: the one of /against, that it is compared with. scorer: of /score.

    about: facts for people, by "model" and "against".
    """

    lists: Service | None = None
    against: Service | None = None
    scorer: Scorer | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    def questions(self) -> list[Callable[[], object]]:
        """One question for each model: asked, they tell how long it takes, and whether it answers at all."""
        asked = [self._ask(service) for service in (self.lists, self.against) if service is not None]
        if self.scorer is not None:
            scorer = self.scorer
            asked.append(lambda: scorer.score([[None] * len(scorer.columns)]))
        return asked

    @staticmethod
    def _ask(service: Service) -> Callable[[], object]:
        known, ids = service.known, service.items.ids
        k = min(SOME, len(ids))
        if known is not None and known.histories.counts().any():
            user = known.users.ids[int(known.histories.counts()[1:].argmax())]
            return lambda: service.by_user(user, k)
        if service.recommender.by_history or not (service.users and service.users.ids):
            return lambda: service.by_history(ids[:1], k)
        user = service.users.ids[0]
        return lambda: service.by_user(user, k)
