"""Places: where the folders and files of a report lie."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

__all__ = ["Places"]


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie, as commands name them. data: where it is or was. comparison, frontier, steps: as they were
    given, None where they were not."""

    small: Path
    big: Path
    data: Path | None = None
    comparison: Path | None = None
    frontier: Path | None = None
    steps: Path | None = None

    def with_data(self, there: Path | None) -> Places:
        """The same, with the data that a model was trained on where none was given."""
        if self.data is not None or there is None:
            return self
        return replace(self, data=Path(os.path.normpath(there)))
