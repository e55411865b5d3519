"""Codes: a matrix in fewer bytes, served as it is stored. What every encoding of rows has in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from recprune.encodings.quick import Quick
from recprune.encodings.watched import is_graph
from recprune.errors import SurgeryError

__all__ = ["Codes", "Layout", "Pick", "some_of"]

Layout = dict[str, tuple[torch.dtype, tuple[int, ...]]]
"""Part -> type and shape."""

Pick = Callable[[Tensor], Tensor]
"""Takes some rows of a part."""

ENTRIES = 1 << 18
"""Numbers that are decoded at a time: a megabyte of float32 stays in the cache of one core."""

PIECES = 64
"""No matrix is multiplied in more pieces than this, so that an exported graph stays short."""

_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_FLOATS = {2: torch.float16, 4: torch.float32, 8: torch.float64}


class Codes(Quick):
    """A (rows, columns) matrix; entry (r, c) is (numbers[r, c] - middle) * scale[r], turned back where it was rotated.

    Its parts are buffers, never trained. codes: one row for every row of the matrix, unless `height` is another. scale:
    (rows, 1) bfloat16, where the encoding has one. like: (0, columns), empty: the type of what is decoded, and its
    width; of a tensor with more axes (0, *rest), whose rows are stored one behind the other: filters of a convolution.
    A subclass has `layout` (its parts, by type and shape), `coded` (their values) and `numbers`.
    """

    middle: ClassVar[float] = 0.0
    known: ClassVar[frozenset[str]] = frozenset()
    """Options of `encode` and `layout`, whole numbers."""
    widest: ClassVar[int] = 2**31
    """Columns of the widest matrix that it can store."""
    weighs: ClassVar[bool] = False
    """Whether `encode` and `nearest` take `used`, how often each row is looked up: what is shared by all rows then fits
    best those that are looked up most."""
    alone: ClassVar[bool] = True
    """Whether codes of a row go by that row alone, so that they stay when it is multiplied by a number."""
    varies: ClassVar[bool] = False
    """Whether its bytes go by the numbers: then `layout` and `stored_bytes` tell the most, or what an option says."""
    keeps: ClassVar[int] = 16
    """Steps of training for which what `nearest` gives is kept."""

    codes: Tensor
    like: Tensor

    def __init__(self, parts: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, part in parts.items():
            self.register_buffer(name, part)

    @classmethod
    def layout(cls, rows: int, columns: int, value: torch.dtype, **options: int) -> Layout:
        """The parts of an encoded matrix of this shape and type, `like` left out."""
        raise NotImplementedError

    @classmethod
    def coded(cls, rows: Tensor, **options: int) -> dict[str, Tensor]:
        """The parts of some rows of a matrix, those alone that hold one row for each of them."""
        raise NotImplementedError

    def numbers(self, pick: Pick, dtype: torch.dtype) -> Tensor:
        """(picked, columns) numbers of some rows, not yet scaled."""
        raise NotImplementedError

    @classmethod
    def worth_trying(cls, rows: int, columns: int) -> list[dict[str, int]]:
        """Options that a plan tries for a matrix of this shape where none are said; none where it never pays."""
        return [{}] if columns <= cls.widest else []

    @classmethod
    def bound(cls, matrix: Tensor, **options: int) -> Tensor:
        """(rows,) how far a decoded row can be from the row it stands for, as the root of the summed squares."""
        raise NotImplementedError

    @classmethod
    def whole(cls, **options: int) -> dict[str, Tensor]:
        """Parts that are no rows."""
        return {}

    def turned(self, rows: Tensor, *, back: bool = False) -> Tensor:
        """Rows of `columns` numbers as they are before they are stored, or (`back`) the other way round."""
        return rows

    @classmethod
    def encode(cls, matrix: Tensor, **options: int) -> Self:
        """The codes of a (rows, columns) matrix of floats. The same matrix gives the same codes.

        Of a tensor with more axes every row is laid flat. Raises SurgeryError for another shape or type, and for
        numbers that cannot be coded, such as NaN.
        """
        matrix, rest = matrix.detach(), matrix.shape[1:]
        if matrix.dim() < 2 or not matrix.is_floating_point() or not matrix.numel():
            raise SurgeryError(f"only matrices of floats are encoded, not {tuple(matrix.shape)} of {matrix.dtype}")
        matrix = matrix.flatten(1)
        if not bool(matrix.isfinite().all()):
            raise SurgeryError("numbers that are NaN or infinite cannot be encoded: train again with a smaller lr")
        parts = cls.parts(matrix, **options)
        made = cls({**parts, **cls.whole(**options), "like": matrix.new_empty(0, *rest)})
        if any(part.is_floating_point() and not bool(part.isfinite().all()) for part in parts.values()):
            raise SurgeryError(f"numbers up to {float(matrix.abs().max()):.3g} are too large for {cls.__name__}")
        return made

    @classmethod
    def nearest(cls, matrix: Tensor, kept: Any = None, **options: Any) -> tuple[Tensor, Any]:
        """What a matrix is once it was encoded and decoded, and what takes long to find, as scales or books.

        kept: what an earlier call gave for nearly the same matrix, to be used again; None finds it anew. For
        training, where this is done at every step.
        """
        return cls.encode(matrix, **options).dense(), None

    @classmethod
    def parts(cls, matrix: Tensor, **options: Any) -> dict[str, Tensor]:
        """The parts that hold one row for each row of a matrix."""
        blocks = [cls.coded(rows, **options) for rows in torch.split(matrix, max(1, ENTRIES // matrix.shape[1]))]
        return {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}

    @classmethod
    def rebuilt(cls, parts: Mapping[str, Tensor]) -> Self:
        """Codes from their stored parts. Raises SurgeryError where these are not what `encode` makes."""
        if not {"codes", "like"} <= parts.keys():
            raise SurgeryError(f"codes are not whole: {sorted(parts)} are there, and codes and like are needed")
        like, codes = parts["like"], parts["codes"]
        if like.dim() < 2 or len(like) or not like.is_floating_point():
            raise SurgeryError(f"'like' is of shape {tuple(like.shape)}, 'codes' of {tuple(codes.shape)}")
        wanted = cls.layout(cls.height(parts), math.prod(like.shape[1:]), like.dtype, **cls.options(parts))
        found = {name: (part.dtype, tuple(part.shape)) for name, part in parts.items() if name != "like"}
        if wanted != found:
            odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
            said = f"{found.get(odd[0], 'missing')} where {wanted.get(odd[0], 'nothing')} is expected"
            raise SurgeryError(f"part {odd[0]!r} of {cls.__name__} is {said}")
        made = cls(parts)
        made.check()
        return made

    @classmethod
    def height(cls, parts: Mapping[str, Tensor]) -> int:
        """Rows of the matrix that these parts store. Raises SurgeryError where they do not tell."""
        if parts["codes"].dim() != 2:
            raise SurgeryError(f"'codes' is of shape {tuple(parts['codes'].shape)}, and holds no rows")
        return len(parts["codes"])

    @classmethod
    def options(cls, parts: Mapping[str, Tensor]) -> dict[str, int]:
        """The options that these parts were encoded with, as far as `layout` needs them."""
        return {}

    def check(self) -> None:
        """Raise SurgeryError where the values of parts cannot be."""

    @classmethod
    def stored_bytes(cls, shape: Sequence[int], value_bytes: int = 4, **options: int) -> int:
        """Bytes of an encoded (rows, columns) matrix, or (rows, *rest) tensor, scales and indices included."""
        layout = cls.layout(shape[0], math.prod(shape[1:]), _FLOATS[value_bytes], **options)
        return sum(dtype.itemsize * math.prod(size) for dtype, size in layout.values())

    @classmethod
    def stored_entries(cls, shape: Sequence[int], **options: int) -> int:
        """Entries of the matrix that are stored: all, unless the encoding drops some."""
        return math.prod(shape)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the matrix."""
        high = self.height({name: part for name, part in self._buffers.items() if part is not None})
        return high, self.columns

    @property
    def columns(self) -> int:
        """Numbers of a row."""
        return math.prod(self.like.shape[1:])

    @property
    def dtype(self) -> torch.dtype:
        """Type of what is decoded."""
        return self.like.dtype

    @property
    def entries(self) -> int:
        """Entries of the matrix that are stored."""
        return self.stored_entries(self.shape)

    def rows(self, indices: Tensor) -> Tensor:
        """(..., columns): decoded rows, for indices of any shape; no other row is decoded."""
        flat = indices if indices.dim() == 1 else indices.reshape(-1)
        rows = self.quick_rows(flat, flat.shape[0])
        if rows is None:
            rows = self._decoded(lambda part: part.index_select(0, flat), self.dtype)
        rows = self.turned(rows, back=True)
        return rows if flat is indices else rows.reshape(*indices.shape, rows.shape[1])

    def dense(self) -> Tensor:
        """The whole decoded matrix, or tensor where it has more axes."""
        rows = self.quick_rows(0, self.shape[0])
        found = self.turned(self._decoded(lambda part: part, self.dtype) if rows is None else rows, back=True)
        return found if self.like.dim() == 2 else found.view(-1, *self.like.shape[1:])

    def multiply(self, x: Tensor) -> Tensor:
        """x @ dense().T for x (..., columns): (..., rows). ENTRIES numbers, or a 64th, are decoded at a time."""
        rows, columns = self.shape
        flat = self.turned(x.reshape(-1, columns))
        step = max(1, ENTRIES // columns, -(-rows // PIECES))
        starts = range(0, rows, step)
        if is_graph() or (torch.is_grad_enabled() and flat.requires_grad):
            out = torch.cat([self._product(flat, a, min(a + step, rows), None) for a in starts], 1)
        else:
            out = flat.new_empty(len(flat), rows)
            for a in starts:
                self._product(flat, a, min(a + step, rows), out[:, a : a + step])
        return out.reshape(*x.shape[:-1], rows)

    def extra_repr(self) -> str:
        """Shape and type of the matrix."""
        return f"{tuple(self.shape)}, {self.dtype}"

    def _decoded(self, pick: Pick, dtype: torch.dtype) -> Tensor:
        """Rows of this type; those with scales are rounded once to half precision, which has no room for small ones."""
        scale = self._buffers.get("scale")
        wide = dtype if scale is None or dtype.itemsize > 2 else torch.float32
        numbers = self.numbers(pick, wide)
        if self.middle:
            numbers = numbers - self.middle
        return numbers if scale is None else (numbers * pick(scale).to(wide)).to(dtype)

    def _product(self, x: Tensor, begin: int, end: int, out: Tensor | None) -> Tensor:
        """(batch, end - begin): x with the rows begin..end, into `out` where that is given.

        The scales come last, for they are then multiplied once a row; not in half precision, which has no room for it.
        """
        rows = self.quick_rows(begin, end - begin) if x.dtype is torch.float32 else None
        if rows is not None:
            return torch.mm(x, rows.T, out=out)
        scale = self._buffers.get("scale")

        def pick(part: Tensor) -> Tensor:
            return part[begin:end]

        if scale is None or x.dtype not in (torch.float32, torch.float64):
            return torch.mm(x, self._decoded(pick, x.dtype).T, out=out)
        product = torch.mm(x, self.numbers(pick, x.dtype).T, out=out)
        if self.middle:
            product.sub_(self.middle * x.sum(1, keepdim=True))
        return product.mul_(pick(scale).to(x.dtype).T)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Moves go to all parts; a new type of floats is that of what is decoded, and codes stay as they are."""
        for name, part in self._buffers.items():
            if part is not None and name != "like" and part.is_floating_point():
                bits = part.view(_BITS[part.element_size()])
                self._buffers[name] = fn(bits).view(part.dtype)
            elif part is not None:
                self._buffers[name] = fn(part)
        return self


def some_of(shape: Sequence[int], entries: int | None) -> int:
    """How many entries of a matrix are stored where so many are asked for (None: all). Raises SurgeryError below 1."""
    whole = math.prod(shape)
    if entries is not None and entries < 1:
        raise SurgeryError(f"entries are 1 or more, not {entries}")
    return whole if entries is None else min(entries, whole)
