"""Two bytes an entry: half precision, 11 bits of it, for numbers up to 65,504."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from recprune.encodings.codes import Codes, Layout, Pick

__all__ = ["Fp16"]


class Fp16(Codes):
    """Entries as float16; read back in the type that they had."""

    stored: ClassVar[torch.dtype] = torch.float16

    @classmethod
    def layout(cls, rows: int, columns: int, value: torch.dtype, **options: int) -> Layout:
        """A short float an entry."""
        return {"codes": (cls.stored, (rows, columns))}

    @classmethod
    def coded(cls, rows: Tensor, **options: int) -> dict[str, Tensor]:
        """Some rows as short floats."""
        return {"codes": rows.to(cls.stored)}

    @classmethod
    def nearest(cls, matrix: Tensor, kept: Any = None, **options: int) -> tuple[Tensor, Any]:
        """To the short float and back."""
        return matrix.to(cls.stored).to(matrix.dtype), None

    def numbers(self, pick: Pick, dtype: torch.dtype) -> Tensor:
        """Entries in a longer type."""
        return pick(self.codes).to(dtype)

    @classmethod
    def bound(cls, matrix: Tensor, **options: int) -> Tensor:
        """Half a unit in the last place, or half of the smallest number that there is."""
        facts = torch.finfo(cls.stored)
        far: Tensor = matrix.norm(dim=1) * facts.eps / 2 + facts.smallest_normal * facts.eps * matrix.shape[1] ** 0.5
        return far
