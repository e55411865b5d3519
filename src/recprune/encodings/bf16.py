"""Two bytes an entry: the first half of a float32, 8 bits of precision, for numbers of any size."""

from __future__ import annotations

from typing import ClassVar

import torch

from recprune.encodings.fp16 import Fp16

__all__ = ["Bf16"]


class Bf16(Fp16):
    """Entries as bfloat16; read back in the type that they had."""

    stored: ClassVar[torch.dtype] = torch.bfloat16
