"""Rows as the kernels take them: floats, halves, bytes or half bytes, and what they are multiplied by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.dispatch import LEVELS, kernels
from recprune.encodings.codes import Codes
from recprune.encodings.int8_rows import Int8Rows
from recprune.encodings.low_bits import LowBits
from recprune.encodings.product_rows import ProductRows
from recprune.encodings.shared_values import SharedValues
from recprune.errors import DataError

__all__ = ["KINDS", "Stored", "product_parts", "stored"]

KINDS = ("float32", "bf16", "int8", "int4", "product")
"""How a row is held, in the order in which the C kernels count them."""

SCANS = {"float32": ("int8", "float32", "bf16"), "bf16": ("int8", "bf16"), "product": ("int8", "product")}
"""How rows of a kind may be passed over, where not as they are; what is taken when nothing else is said comes first."""

CODE, ENTRY, COLUMN = 0.12, 0.045, 250.0
"""Nanoseconds to pass over a code of a row and a byte of an entry, and to look a column of books up for a query."""

GROUPS = 128
"""Words of a row at most that are passed over as codes."""

STEP = 1 << 16
"""Rows that are decoded at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Rows, (n, ...) in one of the kinds, of `columns` numbers; scale: (n,), or None for 1.

    scan: the kind in which all rows are passed over. turn: (columns, columns), what a query is multiplied by first.
    books: of product codes, (2, 256, columns) centres and words, and where groups of columns begin and the last ends.
    """

    rows: NDArray[Any]
    kind: str
    scan: str
    columns: int
    scale: NDArray[np.float32] | None = None
    turn: NDArray[np.float32] | None = None
    books: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None

    def numbers(self, which: NDArray[np.integer] | slice) -> NDArray[np.float32]:
        """(some, columns) rows before they are scaled."""
        rows = self.rows[which]
        if self.kind == "bf16":
            return (rows.astype(np.uint32) << 16).view(np.float32)
        if self.kind == "int4":
            both = np.concatenate([rows & 15, rows >> 4], 1)[:, : self.columns]
            return both.astype(np.float32) - np.float32(8)
        if self.books is not None:
            (centres, words), edges = self.books
            owner = np.repeat(np.arange(1, len(edges)), np.diff(edges))
            found: NDArray[np.float32] = centres[rows[:, 0]] + words[rows[:, owner], np.arange(self.columns)]
            return found
        return rows.astype(np.float32, copy=False)

    def lengths(self) -> NDArray[np.float64]:
        """(n,) before rows are scaled."""
        parts = [self.numbers(slice(a, a + STEP)).astype(np.float64) for a in range(0, len(self.rows), STEP)]
        return np.concatenate([np.sqrt((part * part).sum(1)) for part in parts] or [np.zeros(0)])


def stored(items: Tensor | NDArray[np.floating] | nn.Module, scan: str | None) -> Stored:
    """The rows of a table. Codes of 8 and of 4 bits and product codes stay as they are, those of 2 bits take 4, shared
    values are bfloat16, and others are decoded to float32.

    Raises DataError for another shape, and for a scan that does not suit it.
    """
    found = _of_codes(items) if isinstance(items, Codes) else None
    if found is None:
        found = _of_floats(items.dense() if isinstance(items, Codes) else items)
    fits = SCANS.get(found.kind, (found.kind,))
    if scan is not None and scan not in fits:
        raise DataError(f"rows of {found.kind} are passed over as {', '.join(fits)}, not as {scan!r}", scan=scan)
    return replace(found, scan=scan or ("product" if _is_faster_as_codes(found) else fits[0]))


def _of_codes(codes: Codes) -> Stored | None:
    if isinstance(codes, Int8Rows):
        return Stored(codes.codes.numpy(), "int8", "int8", codes.shape[1], _scale(codes))
    if isinstance(codes, LowBits) and (codes.bits, codes.middle) in ((4, 8), (2, 1.5)):
        turn = None if not codes.rotated else codes.turned(torch.eye(codes.shape[1])).numpy()
        rows, scale = codes.codes.numpy(), _scale(codes)
        if codes.bits == 2:
            rows, scale = _of_half_steps(rows, codes.shape[1]), scale * np.float32(0.5)
        return Stored(rows, "int4", "int4", codes.shape[1], scale, turn)
    if isinstance(codes, SharedValues):
        return Stored(codes.halves().view(torch.uint16).numpy(), "bf16", "bf16", codes.shape[1])
    if isinstance(codes, ProductRows):
        rows, books, edges = product_parts(codes)
        if codes.dtype is torch.float32 and len(edges) <= GROUPS + 1:
            return Stored(rows, "product", "product", codes.shape[1], books=(books, edges))
    return None


def _of_half_steps(rows: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Codes of two bits as codes of four, which count steps half as large: 0 to 3 become 5, 7, 9 and 11."""
    wide = np.concatenate([rows >> shift & 3 for shift in (0, 2, 4, 6)], 1)[:, :columns] * 2 + 5
    wide = np.pad(wide, ((0, 0), (0, columns % 2)), constant_values=8)
    found: NDArray[np.uint8] = wide[:, : -(-columns // 2)] | wide[:, -(-columns // 2) :] << 4
    return found


def product_parts(codes: ProductRows) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
    """(rows, m + 1) a byte a code; (2, 256, columns) both books, zeros where they have less; where groups begin, and
    the last one ends."""
    found = torch.stack(codes.books()).numpy()
    books = np.pad(found, ((0, 0), (0, 256 - found.shape[1]), (0, 0)))
    rows = np.ascontiguousarray(codes.entries_of(codes.codes).numpy())
    return rows, books, np.array(codes.edges(), dtype=np.int64)


def _is_faster_as_codes(found: Stored) -> bool:
    """Whether rows are product codes that are passed over sooner than a byte an entry: by the nanoseconds that a code,
    an entry, and what a query is prepared for take (`benchmarks.coded_search`), on machines that look up 64 codes at a
    time."""
    native = kernels()
    if found.kind != "product" or native is None or native[1] != LEVELS.index("avx512") or not native[0].words_fast:
        return False
    n, width = found.rows.shape
    return bool(CODE * n * (width + 1) + COLUMN * found.columns <= ENTRY * n * found.columns)


def _of_floats(items: Any) -> Stored:
    table = items.weight if isinstance(items, nn.Module) else items
    tensor = table.detach().cpu() if isinstance(table, Tensor) else torch.from_numpy(np.ascontiguousarray(table))
    if tensor.dim() != 2 or not tensor.is_floating_point() or not tensor.shape[1]:
        raise DataError(f"items are (n, dim) floats, not {tuple(tensor.shape)} of {tensor.dtype}")
    if tensor.dtype is torch.bfloat16:
        return Stored(tensor.contiguous().view(torch.uint16).numpy(), "bf16", "bf16", tensor.shape[1])
    return Stored(tensor.float().contiguous().numpy(), "float32", "float32", tensor.shape[1])


def _scale(codes: Codes) -> NDArray[np.float32]:
    found: NDArray[np.float32] = codes.get_buffer("scale").float().reshape(-1).numpy()
    return found
