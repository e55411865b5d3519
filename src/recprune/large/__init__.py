"""Tables larger than memory: read in blocks, cut to an exact number of rows, written whole or not at all."""

from recprune.large.compact import Compacted, compact

__all__ = ["Compacted", "compact"]
