"""Searches: what was sought at a desk so far: the ends that a budget lies between, and the plans that meet one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from recprune.errors import BudgetError
from recprune.planning.budget import Budget, MaxDrop
from recprune.studio.messages import Wish
from recprune.studio.refusals import Refused
from recprune.studio.sought import Sought

__all__ = ["Asked", "Searches"]

KEPT = 8
"""Plans that are kept, the latest: a model may hang on each."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search is known by."""

    rule: str
    budget: Budget
    bits: bool
    epochs: int


@dataclass(eq=False)
class Searches:
    """times: what a request takes, by what it was asked with; drops: the metrics; None of both is not measured yet.
    found: what met a budget, or why nothing does."""

    times: Mapping[Asked, dict[str, Any]] = field(default_factory=dict)
    drops: dict[str, Any] | None = None
    found: Mapping[Asked, Sought | BudgetError] = field(default_factory=dict)

    def ready(self, wish: Wish) -> bool:
        """Whether the ends of such a budget are known, where it has some."""
        if wish.drops:
            return self.drops is not None
        return not wish.timed or _ends_of(wish) in self.times

    def ends(self, wish: Wish) -> dict[str, Any]:
        """What such a budget may be, for the page; of a factor and of bytes it is known from the start."""
        if wish.drops:
            return {"ends": self.drops}
        return {"ends": self.times[_ends_of(wish)]} if wish.timed else {}

    def put_times(self, wish: Wish, ends: dict[str, Any]) -> None:
        """Remember what a request takes."""
        self.times = {**self.times, _ends_of(wish): ends}

    def asked(self, wish: Wish) -> Asked:
        """What is sought, with the usual metric where none is named. Raises Refused: no_metric."""
        budget = wish.budget()
        if budget.max_drop is None:
            return Asked(wish.rule, budget, False, 0)
        names = [one["name"] for one in (self.drops or {"metrics": []})["metrics"]]
        name = wish.metric or next(iter(names), "")
        if name not in names:
            raise Refused("no_metric")
        budget = replace(budget, max_drop=MaxDrop(name, budget.max_drop.share))
        return Asked(wish.rule, budget, wish.bits, max(wish.epochs, 1))

    def put(self, asked: Asked, found: Sought | BudgetError) -> None:
        """Remember how a search ended."""
        rest = [(one, was) for one, was in self.found.items() if one != asked]
        self.found = dict([*rest, (asked, found)][-KEPT:])

    def of(self, wish: Wish) -> Sought:
        """What was found for a wish. Raises Refused: not_sought, no_metric; BudgetError where it cannot be met."""
        found = self.found.get(self.asked(wish))
        if found is None:
            raise Refused("not_sought")
        if isinstance(found, BudgetError):
            raise found
        return found


def _ends_of(wish: Wish) -> Asked:
    """A request is as fast whatever is asked of it."""
    return Asked(wish.rule, replace(wish.budget(), milliseconds=1.0), False, 0)
