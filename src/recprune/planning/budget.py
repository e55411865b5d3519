"""Budget: how much is to leave, and what must stay."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from recprune.errors import BudgetError
from recprune.tracing.site import Kind

__all__ = ["Budget", "MaxDrop"]


@dataclass(frozen=True, slots=True)
class MaxDrop:
    """The largest loss of a metric on validation that is allowed: `share` of its value before, 0.005 is half a percent.

    metric: as evaluation names it, "ndcg@20" or "auc". Raises BudgetError for a share outside 0..1.
    """

    metric: str
    share: float

    def __post_init__(self) -> None:
        if not (_number(self.share) and 0 <= self.share < 1):
            raise BudgetError(f"the share of {self.metric} that may be lost is 0 to below 1, not {self.share!r}")

    def __str__(self) -> str:
        return f"{self.metric} at most {self.share:.3g} of it lower"


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a model is to leave, said in one of four ways.

    factor: share of all parameters to remove, 0 (none) to below 1. At least that share leaves, and less than one unit
    more. bytes: most bytes of the artifact's weights file afterwards, with indices, scales and header; plan and
    vocabularies lie beside it. milliseconds: most that a call with `rows` rows (users, where a model ranks) takes,
    measured where it is planned. max_drop: the smallest model that loses no more. The last two need a model and data
    to be met (`recprune.prune`); `choose` meets the first two from shapes alone.

    floor: fewest units that a site keeps. keep: smallest share of a site's units that stays, 0 to 1, so that no
    layer collapses (fields count as one site; ids and entries are not held by it). multiple: kept widths are divisible
    by this, for fast kernels (a site that begins smaller than it stays whole). kinds: which kinds of unit may leave.
    sites: only these sites, by name; empty means all.
    Raises BudgetError for a number out of range, and where not exactly one amount is said.
    """

    factor: float | None = None
    floor: int = 1
    multiple: int = 1
    kinds: frozenset[Kind] = field(default_factory=lambda: frozenset(Kind))
    sites: frozenset[str] = frozenset()
    keep: float = 0.0
    bytes: int | None = None
    milliseconds: float | None = None
    max_drop: MaxDrop | None = None
    rows: int = 1

    def __post_init__(self) -> None:
        said = [n for n in ("factor", "bytes", "milliseconds", "max_drop") if getattr(self, n) is not None]
        if len(said) != 1:
            raise BudgetError(
                "a budget is one of factor=0.5, bytes=2_000_000, milliseconds=0.2, max_drop=MaxDrop('ndcg@20', 0.005); "
                f"{'none' if not said else ' and '.join(said)} was said",
                said=tuple(said),
            )
        if self.factor is not None:
            _check_factor(self.factor)
        for name in ("bytes", "milliseconds"):
            value = getattr(self, name)
            if value is not None and not (_number(value) and value > 0):
                raise BudgetError(f"{name} must be above 0, not {value!r}", **{name: value})
        if not (_number(self.keep) and 0 <= self.keep <= 1):
            raise BudgetError(f"keep {self.keep!r} is no share; half of every site stays with 0.5", keep=self.keep)
        if any(type(x) is not int or x < 1 for x in (self.floor, self.multiple, self.rows)):
            told = f"{self.floor!r}, {self.multiple!r} and {self.rows!r}"
            raise BudgetError(f"floor, multiple and rows are whole numbers, 1 or more, not {told}")
        odd = sorted(str(kind) for kind in self.kinds if kind not in set(Kind))
        if isinstance(self.kinds, str) or odd:
            raise BudgetError(f"kinds are some of {{{', '.join(Kind)}}}, not {', '.join(odd) or repr(self.kinds)}")
        if isinstance(self.sites, str):
            raise BudgetError(f"sites are a set of names; for one say {{{self.sites!r}}}")
        object.__setattr__(self, "kinds", frozenset(map(Kind, self.kinds)))
        object.__setattr__(self, "sites", frozenset(self.sites))

    @property
    def amount(self) -> str:
        """What is asked, in words."""
        if self.factor is not None:
            return f"factor {self.factor:g}"
        if self.bytes is not None:
            return f"{self.bytes:,} bytes"
        return str(self.max_drop) if self.milliseconds is None else f"{self.milliseconds:g} ms for {self.rows:,} row(s)"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        drop = None if self.max_drop is None else [self.max_drop.metric, self.max_drop.share]
        return {
            "factor": self.factor,
            "floor": self.floor,
            "multiple": self.multiple,
            "kinds": sorted(self.kinds),
            "sites": sorted(self.sites),
            "keep": self.keep,
            "bytes": self.bytes,
            "milliseconds": self.milliseconds,
            "max_drop": drop,
            "rows": self.rows,
        }

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> Budget:
        """Read plain data back. Raises KeyError, TypeError or ValueError for what is no budget."""
        drop = said.get("max_drop")
        return cls(
            said["factor"],
            said["floor"],
            said["multiple"],
            frozenset(Kind(k) for k in said["kinds"]),
            frozenset(said["sites"]),
            said["keep"],
            said.get("bytes"),
            said.get("milliseconds"),
            None if drop is None else MaxDrop(str(drop[0]), drop[1]),
            said.get("rows", 1),
        )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_factor(factor: object) -> None:
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not math.isfinite(factor):
        raise BudgetError(f"factor must be a number in 0..1, not {factor!r}", factor=factor)
    if not 0 <= factor <= 1:
        raise BudgetError(
            f"factor {factor:g} is outside 0..1; it is the share of the parameters to remove, so half of them is 0.5",
            factor=factor,
        )
