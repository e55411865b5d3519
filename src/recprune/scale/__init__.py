"""The same street over many parts: larger than memory on one machine, or spread over a cluster.

Each stage is a function over a part with a reduce that does not depend on how the parts were made, so that the result
is that of one machine, to the bit. `engines` says where the parts are worked on; Ray is known there and nowhere else.
"""

from recprune.scale.preparing.run import Scale, prepare_large

__all__ = ["Scale", "prepare_large"]
