"""What the page may ask, and how strictly it is read."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from recprune.planning.budget import Budget
from recprune.recipe.pruned import usual_budget
from recprune.studio.refusals import Refused
from recprune.tracing.site import Kind

__all__ = ["Apply", "Lists", "Measure", "Nothing", "Wish"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
SHORT = Annotated[str, Meta(max_length=200)]


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is to leave, and by which rule.

    One of factor, the share of the parameters that leaves, and bytes, most of the weights file. kinds: that may leave,
    none named is all. bits: what stays may be stored in fewer bits, where the budget is in bytes.
    """

    rule: SHORT
    factor: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    bytes: Annotated[int, Meta(ge=1, le=1 << 53)] | UnsetType = UNSET
    kinds: Annotated[list[SHORT], Meta(max_length=20)] = []
    bits: bool = True

    def budget(self) -> Budget:
        """As `recprune plan` understands it. Raises Refused: one_amount, no_kind."""
        if not set(self.kinds) <= set(Kind):
            raise Refused("no_kind")
        kinds = frozenset(map(Kind, self.kinds)) or frozenset(Kind)
        match self.factor, self.bytes:
            case float(factor), UnsetType():
                return Budget(factor, kinds=kinds, keep=usual_budget(factor).keep)
            case UnsetType(), int(size):
                return Budget(bytes=size, kinds=kinds)
        raise Refused("one_amount")

    @property
    def stored(self) -> bool:
        """Whether bits compete with cuts."""
        return self.bits and self.bytes is not UNSET


class Measure(Wish, frozen=True, forbid_unknown_fields=True):
    """A plan that is to be carried out. epochs: of fine-tuning, 0 for none."""

    epochs: Annotated[int, Meta(ge=0, le=1000)] = 0


class Apply(Measure, frozen=True, forbid_unknown_fields=True):
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
