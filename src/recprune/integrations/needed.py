"""needed(): a package of an optional extra, or one clear error; the same for all that is optional."""

from __future__ import annotations

from recprune.data.needed import needed

__all__ = ["needed"]
