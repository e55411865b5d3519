"""Told: what a foreign configuration says about data, in recprune's own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from recprune.data.log import Log
from recprune.recipe.prepare import Prepared, prepare
from recprune.recipe.stages import Stage

__all__ = ["Told"]


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """log: all of it, or the train part where `test` is there. cleaning: options of `clean`. way: how it was parted,
    where it says so itself. unread: settings that were not looked at."""

    log: Log
    test: Log | None = None
    valid: Log | None = None
    cleaning: Mapping[str, Any] = field(default_factory=dict)
    way: str = ""
    unread: tuple[str, ...] = ()

    def prepare(self, stage: Stage) -> Prepared:
        """Clean, encode and split it."""
        made = prepare(self.log, test=self.test, valid=self.valid, cleaning=dict(self.cleaning), stage=stage)
        return replace(made, way=self.way) if self.way else made
