"""Budget: how much is to leave, and what must stay."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from recprune.errors import BudgetError
from recprune.tracing.site import Kind

__all__ = ["Budget"]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a model is to leave.

    factor: share of all parameters to remove, 0 (none) to below 1. At least that share leaves, and less than one unit
    more. floor: fewest units that a site keeps. keep: smallest share of a site's units that stays, 0 to 1, so that no
    layer collapses (fields count as one site; ids and entries are not held by it). multiple: kept widths are divisible
    by this, for fast kernels (a site that begins smaller than it stays whole). kinds: which kinds of unit may leave.
    sites: only these sites, by name; empty means all.
    Raises BudgetError for a factor that is no share or a floor or multiple below 1.
    """

    factor: float
    floor: int = 1
    multiple: int = 1
    kinds: frozenset[Kind] = field(default_factory=lambda: frozenset(Kind))
    sites: frozenset[str] = frozenset()
    keep: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.factor, bool) or not isinstance(self.factor, int | float) or not math.isfinite(self.factor):
            raise BudgetError(f"factor must be a number in 0..1, not {self.factor!r}", factor=self.factor)
        if not 0 <= self.factor <= 1:
            raise BudgetError(
                f"factor {self.factor:g} is outside 0..1; it is the share of the parameters to remove, "
                "so half of them is 0.5",
                factor=self.factor,
            )
        if not (isinstance(self.keep, int | float) and 0 <= self.keep <= 1):
            raise BudgetError(f"keep {self.keep!r} is no share; half of every site stays with 0.5", keep=self.keep)
        if self.floor < 1 or self.multiple < 1:
            raise BudgetError(f"floor and multiple are 1 or more, not {self.floor} and {self.multiple}")
