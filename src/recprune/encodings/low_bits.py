"""Rows of 2 or 4 bits an entry, several in a byte, and one scale a row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from recprune.encodings.codes import ENTRIES, Codes, Layout, Pick
from recprune.encodings.quick import Lent
from recprune.encodings.rotation import rotation
from recprune.encodings.watched import is_graph

__all__ = ["LowBits"]

CLIPPINGS = tuple(0.3 + 0.8 * i / 12 for i in range(13))
"""Shares of a row's largest entry that the outermost level is tried at."""
NEAR, FAR = 30, 120
"""Powers of 2: of a largest entry whose squares float32 holds, and the furthest by which a row is brought near."""


class LowBits(Codes):
    """Entry = (code - middle) * scale, with codes 0 .. 2^bits - 1.

    Byte j of a row holds columns j, j + bytes, j + 2 * bytes, ..., lowest bits first. The scale of a row is the best of
    several clippings, each followed by the least-squares fit of the scale to its codes. With `rotated`, rows are turned
    by a random orthogonal matrix before they are coded; a query is turned once, never the table.
    """

    bits: ClassVar[int]
    rotated: ClassVar[bool] = False

    def __init__(self, parts: Mapping[str, Tensor]) -> None:
        super().__init__(parts)
        self._turn: Tensor | None = None
        self._read_seed()

    @classmethod
    def layout(cls, rows: int, columns: int, value: torch.dtype, **options: int) -> Layout:
        """Bytes, a scale a row, and the seed of the rotation."""
        seed: Layout = {"seed": (torch.int64, (1,))} if cls.rotated else {}
        width = -(-columns * cls.bits // 8)
        return {"codes": (torch.uint8, (rows, width)), "scale": (torch.bfloat16, (rows, 1)), **seed}

    @classmethod
    def coded(cls, rows: Tensor, **options: int) -> dict[str, Tensor]:
        """Bytes and scales of some rows."""
        if cls.rotated:
            rows = rows @ _turning(rows, options.get("seed", 0))
        rows = rows if rows.dtype is torch.float64 else rows.float()
        scale = cls._scale(rows).bfloat16()
        return {"codes": _joined(cls._nearest(rows, scale.to(rows.dtype)), cls.bits), "scale": scale}

    @classmethod
    def nearest(cls, matrix: Tensor, kept: Any = None, **options: int) -> tuple[Tensor, Any]:
        """Without making bytes; kept scales leave only the codes to be found."""
        turn = _turning(matrix, options.get("seed", 0)) if cls.rotated else None
        blocks = torch.split(matrix, max(1, ENTRIES // matrix.shape[1]))
        held = [None] * len(blocks) if kept is None else torch.split(kept, len(blocks[0]))
        value, scales = torch.empty_like(matrix), []
        for rows, near, out in zip(blocks, held, torch.split(value, len(blocks[0])), strict=True):
            rows = rows if turn is None else rows @ turn
            rows = rows if rows.dtype is torch.float64 else rows.float()
            scales.append(cls._scale(rows).bfloat16() if near is None else near)
            step = scales[-1].to(rows.dtype)
            found = cls._nearest(rows, step).sub_(cls.middle).mul_(step).to(matrix.dtype)
            out.copy_(found if turn is None else found @ turn.T)
        return value, torch.cat(scales)

    @classmethod
    def whole(cls, **options: int) -> dict[str, Tensor]:
        """The seed of the rotation."""
        return {"seed": torch.tensor([options.get("seed", 0)])} if cls.rotated else {}

    def numbers(self, pick: Pick, dtype: torch.dtype) -> Tensor:
        """Codes as floats."""
        packed, mask, last = pick(self.codes), 2**self.bits - 1, 8 - self.bits
        packed = packed.int() if is_graph() else packed  # ONNX shifts bytes as signed ones
        planes = [packed & mask, *((packed >> shift) & mask for shift in range(self.bits, last, self.bits))]
        return torch.cat([*planes, packed >> last], 1)[:, : self.columns].to(dtype)

    def lent(self) -> Lent:
        """Codes of so many bits, and scales."""
        return Lent.scaled(self.bits, self.codes, self.get_buffer("scale"))

    def turned(self, rows: Tensor, *, back: bool = False) -> Tensor:
        """Rows times the rotation, or its transpose."""
        if self._turn is None:
            return rows
        turn = self._turn.to(rows.dtype)
        return rows @ (turn.T if back else turn)

    def multiply(self, x: Tensor) -> Tensor:
        """As of all codes; where there are more queries than rows, rows are turned back and not queries."""
        rows, columns = self.shape
        if is_graph() or self._turn is None or x.dtype is not self.dtype or x.numel() <= rows * columns:
            return super().multiply(x)
        return x @ self.dense().T

    @classmethod
    def bound(cls, matrix: Tensor, **options: int) -> Tensor:
        """A row is never further from its codes than from zero, nor than from codes that reach its largest entry."""
        rows = matrix @ _turning(matrix, options.get("seed", 0)) if cls.rotated else matrix
        half = rows.abs().amax(1) / (2 * min(cls.middle, 2**cls.bits - 1 - cls.middle))
        return torch.minimum(matrix.norm(dim=1), half * matrix.shape[1] ** 0.5) * 1.01

    @classmethod
    def _scale(cls, rows: Tensor) -> Tensor:
        """(rows, 1) scales of the smallest squared error, of either sign where the levels are not symmetric."""
        reach = rows.abs().amax(1, keepdim=True)
        power = torch.frexp(reach)[1].clamp(-FAR, FAR)
        if bool((power.abs() > NEAR).any()):  # squares would be 0, or infinite; by powers of 2 nothing else changes
            unit = torch.ldexp(torch.ones_like(reach), power)
            return cls._scale_of(rows / unit, reach / unit) * unit
        return cls._scale_of(rows, reach)

    @classmethod
    def _scale_of(cls, rows: Tensor, reach: Tensor) -> Tensor:
        best, most = torch.zeros_like(reach), torch.zeros_like(reach)
        levels, product = torch.empty_like(rows), torch.empty_like(rows)
        lopsided = 2 * cls.middle != 2**cls.bits - 1
        for clipping in CLIPPINGS:
            for sign in (1.0, -1.0) if lopsided else (1.0,):
                cls._nearest(rows, reach * (sign * clipping / cls.middle), levels).sub_(cls.middle)
                along = torch.mul(rows, levels, out=product).sum(1, keepdim=True)
                length = torch.mul(levels, levels, out=product).sum(1, keepdim=True).clamp_(min=1e-9)
                explained = along.square() / length  # the squared error is that of zeros without it
                best, most = torch.where(explained > most, along / length, best), torch.maximum(explained, most)
        return best

    @classmethod
    def _nearest(cls, rows: Tensor, scale: Tensor, out: Tensor | None = None) -> Tensor:
        """Codes, as floats, that are nearest to the rows at these scales."""
        safe = torch.where(scale == 0, torch.ones_like(scale), scale)
        return torch.div(rows, safe, out=out).add_(cls.middle).round_().clamp_(0, 2**cls.bits - 1)

    def _read_seed(self) -> None:
        """The rotation is no buffer: it is made of the seed, here and wherever the codes are loaded."""
        if self.rotated:
            self._seed = int(self._buffers["seed"])  # type: ignore[arg-type]
            self._turn = _turning(self.like, self._seed)

    def _load_from_state_dict(self, *args: Any, **named: Any) -> None:
        super()._load_from_state_dict(*args, **named)
        self._read_seed()

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        super()._apply(fn, recurse)
        if self.rotated:
            self._turn = _turning(self.like, self._seed)
        return self


def _turning(like: Tensor, seed: int) -> Tensor:
    return torch.from_numpy(np.array(rotation(math.prod(like.shape[1:]), seed))).to(like)


def _joined(codes: Tensor, bits: int) -> Tensor:
    """Codes, one a float, to bytes."""
    per_byte = 8 // bits
    width = -(-codes.shape[1] // per_byte)
    planes = torch.nn.functional.pad(codes, (0, width * per_byte - codes.shape[1])).to(torch.uint8)
    out = planes[:, :width].clone()
    for place in range(1, per_byte):
        out |= planes[:, place * width : (place + 1) * width] << (place * bits)
    return out
