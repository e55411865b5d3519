"""Told: what a foreign configuration says about data, in recprune's own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recprune.data.log import Log
from recprune.recipe.prepare import Prepared, SplitBy, prepare
from recprune.recipe.stages import Stage

__all__ = ["Told"]


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """log: all of it, or the train part where `test` is there. cleaning: options of `clean`. unread: settings that were
    not looked at."""

    log: Log
    test: Log | None = None
    valid: Log | None = None
    cleaning: Mapping[str, Any] = field(default_factory=dict)
    by: SplitBy = field(default_factory=SplitBy)
    unread: tuple[str, ...] = ()

    def prepare(self, stage: Stage) -> Prepared:
        """Clean, encode and split it."""
        return prepare(
            self.log, test=self.test, valid=self.valid, cleaning=dict(self.cleaning), by=self.by, stage=stage
        )
