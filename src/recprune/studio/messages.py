"""What the page may ask, and how strictly it is read."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from recprune.planning.budget import Budget, MaxDrop
from recprune.recipe.pruned import usual_budget
from recprune.studio.refusals import Refused
from recprune.tracing.site import Kind

__all__ = ["Apply", "Lists", "Nothing", "Wish"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
SHORT = Annotated[str, Meta(max_length=200)]


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is to leave, by which rule, and how what is left is trained.

    One of factor, the share of the parameters that leaves; bytes, most of the weights file; milliseconds, most of a
    request of `rows` users or rows; and max_drop, the share of `metric` on validation that may be lost (a metric that
    is not named is the usual one). kinds: that may leave, none named is all. bits: what stays may be stored in fewer
    bits, where the budget is in bytes or says what may be lost. epochs: of fine-tuning, 0 for none; in steps towards a
    loss that is allowed, of all of them together.
    """

    rule: SHORT
    factor: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    bytes: Annotated[int, Meta(ge=1, le=1 << 53)] | UnsetType = UNSET
    milliseconds: Annotated[float, Meta(gt=0, le=1e6)] | UnsetType = UNSET
    max_drop: Annotated[float, Meta(ge=0, lt=1)] | UnsetType = UNSET
    metric: SHORT = ""
    rows: Annotated[int, Meta(ge=1, le=10_000)] = 1
    kinds: Annotated[list[SHORT], Meta(max_length=20)] = []
    bits: bool = True
    epochs: Annotated[int, Meta(ge=0, le=1000)] = 0

    def budget(self) -> Budget:
        """As `recprune run` understands it. Raises Refused: one_amount, no_kind."""
        if not set(self.kinds) <= set(Kind):
            raise Refused("no_kind")
        kinds = frozenset(map(Kind, self.kinds)) or frozenset(Kind)
        match self.factor, self.bytes, self.milliseconds, self.max_drop:
            case float(factor), UnsetType(), UnsetType(), UnsetType():
                return Budget(factor, kinds=kinds, keep=usual_budget(factor).keep)
            case UnsetType(), int(size), UnsetType(), UnsetType():
                return Budget(bytes=size, kinds=kinds)
            case UnsetType(), UnsetType(), float(most), UnsetType():
                return Budget(milliseconds=most, kinds=kinds, rows=self.rows)
            case UnsetType(), UnsetType(), UnsetType(), float(share):
                return Budget(max_drop=MaxDrop(self.metric, share), kinds=kinds, keep=0.5)
        raise Refused("one_amount")

    @property
    def stored(self) -> bool:
        """Whether bits compete with cuts."""
        return self.bits and self.bytes is not UNSET

    @property
    def timed(self) -> bool:
        """Whether it is said in milliseconds."""
        return self.milliseconds is not UNSET

    @property
    def drops(self) -> bool:
        """Whether it says what may be lost."""
        return self.max_drop is not UNSET

    @property
    def sought(self) -> bool:
        """Whether its plan has to be found by measuring."""
        return self.timed or self.drops


class Apply(Wish, frozen=True, forbid_unknown_fields=True):
    """A plan that is to become a folder of that name."""

    name: SHORT = ""

    def checked(self) -> str:
        """The name. Raises Refused: bad_name."""
        if not NAME.fullmatch(self.name) or self.name.endswith("."):
            raise Refused("bad_name")
        return self.name


class Lists(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lists of a user, or the rows that he has in validation."""

    user: Annotated[str, Meta(max_length=1000)]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""
