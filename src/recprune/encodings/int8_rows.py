"""One signed byte an entry and one scale a row, symmetric around 0. Jacob et al. 2018, section 2.1, with Z = 0."""

from __future__ import annotations

import torch
from torch import Tensor

from recprune.encodings.codes import Codes, Layout, Pick
from recprune.encodings.quick import Lent

__all__ = ["Int8Rows"]


class Int8Rows(Codes):
    """Entry = code * scale, with codes -127 .. 127 and scale = largest |entry| of the row / 127, rounded up.

    No entry is further from its code than half a scale.
    """

    @classmethod
    def layout(cls, rows: int, columns: int, value: torch.dtype, **options: int) -> Layout:
        """A byte an entry and a scale a row."""
        return {"codes": (torch.int8, (rows, columns)), "scale": (torch.bfloat16, (rows, 1))}

    @classmethod
    def coded(cls, rows: Tensor, **options: int) -> dict[str, Tensor]:
        """Codes and scales of some rows."""
        return signed_bytes(rows)

    def numbers(self, pick: Pick, dtype: torch.dtype) -> Tensor:
        """Codes as floats."""
        return pick(self.codes).to(dtype)

    def lent(self) -> Lent:
        """Codes of 8 bits, and scales."""
        return Lent.scaled(8, self.codes, self.get_buffer("scale"))

    @classmethod
    def bound(cls, matrix: Tensor, **options: int) -> Tensor:
        """Half a scale for every entry."""
        scale = cls.coded(matrix)["scale"].to(matrix.dtype)
        far: Tensor = scale.squeeze(1) / 2 * matrix.shape[1] ** 0.5
        return far


def signed_bytes(rows: Tensor) -> dict[str, Tensor]:
    """codes (rows, columns) int8 and scale (rows, 1) bfloat16."""
    wide = rows if rows.dtype is torch.float64 else rows.float()
    reach = wide.abs().amax(1, keepdim=True) / 127
    scale = reach.bfloat16()
    bits = scale.view(torch.int16)  # the next number above, where rounding went down: no entry is clipped
    scale = torch.where(scale.to(reach.dtype) < reach, bits + 1, bits).view(torch.bfloat16)
    step = torch.where(reach == 0, torch.ones_like(reach), scale.to(reach.dtype))
    return {"codes": (wide / step).round_().clamp_(-127, 127).to(torch.int8), "scale": scale}
