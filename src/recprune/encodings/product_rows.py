"""Rows in m + 1 bytes, or half bytes: the nearest of some centres, and of some words for the rest, group by group."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from recprune.encodings.books import BOOKS, WORDS, coded, decoded, floats_of, learned, moved, small, weights_of
from recprune.encodings.codes import Codes, Layout, Pick
from recprune.encodings.quick import Lent
from recprune.encodings.watched import is_graph
from recprune.encodings.words import owners
from recprune.errors import SurgeryError

__all__ = ["ProductRows"]

TURNS = 8
"""Steps of training in which every row is coded anew once."""
FEWER = 16
"""Words of books that take half a byte a code."""
TRIED = (1 / 2, 3 / 8, 1 / 4, 3 / 16, 1 / 8, 3 / 32, 1 / 16, 1 / 32)
"""Groups that a plan tries, a column."""
FEW = 4
"""Queries at a time for which a row is no product, but a sum of products with the books."""


class ProductRows(Codes):
    """Product quantisation (Jégou et al. 2011, section II.B) of what an inverted-file centre leaves (section IV.A).

    codes: (rows, m + 1) uint8, the centre and one word a group. centres: (256, columns) bfloat16. words: (256, columns)
    bfloat16; columns are in m groups, one after the other, and row w holds word w of every group. Entry 0 of each is
    zero; groups: m. With `b` = 8 both books are int8, and units: (2, columns) bfloat16, what 1 is in each column. Rows
    that resemble each other share a centre, so that a few bits say more than they do of each number alone; the two
    books cost 1,024 bytes a column (516 in int8), which pays for tables of some thousand rows. With `w` = 16 each has
    16 entries, and codes are of 4 bits, two a byte, (rows, (m + 2) // 2): for smaller tables, and fewer bytes.
    Options: `m` groups, a quarter of the columns where it is not said; `b` bits of a number of the books, 16 or 8; `w`
    entries of a book, 256 or 16.
    used: (rows,) how often each row is looked up; books are then the means, and the errors that they make least, of
    what is looked up, not of the rows that there are.
    """

    known: ClassVar[frozenset[str]] = frozenset({"m", "b", "w"})
    weighs: ClassVar[bool] = True
    alone: ClassVar[bool] = False
    keeps: ClassVar[int] = 2**31

    centres: Tensor
    words: Tensor
    groups: Tensor

    def __init__(self, parts: Mapping[str, Tensor]) -> None:
        super().__init__(parts)
        bounds = _bounds(self.columns, {"m": int(self.groups)})
        self._count, self._places = len(bounds) + 1, 1 + owners(bounds)
        self._edges = np.array([0, *(end for _, end in bounds)])

    @classmethod
    def layout(cls, rows: int, columns: int, value: torch.dtype, **options: int) -> Layout:
        """Codes and both books."""
        small, high, count = _bits(options) == 8, _high(options), _groups(columns, options) + 1
        book = torch.int8 if small else torch.bfloat16, (high, columns)
        codes = torch.uint8, (rows, count if high == WORDS else -(-count // 2))
        units: Layout = {"units": (torch.bfloat16, (2, columns))} if small else {}
        return {"codes": codes, "centres": book, "words": book, **units, "groups": (torch.int64, (1,))}

    @classmethod
    def parts(cls, matrix: Tensor, used: Tensor | None = None, **options: int) -> dict[str, Tensor]:
        """Books that are learned from the rows, and codes."""
        rows, groups = floats_of(matrix), _bounds(matrix.shape[1], options)
        books = learned(rows, weights_of(rows, used), groups, _bits(options), _high(options))
        stored = small(books) if _bits(options) == 8 else dict(zip(BOOKS, books.bfloat16(), strict=True))
        codes = coded(rows, books, groups)
        return {"codes": codes if len(books[0]) == WORDS else _halved(codes), **stored, "groups": _told(len(groups))}

    @classmethod
    def nearest(
        cls, matrix: Tensor, kept: Any = None, used: Tensor | None = None, **options: int
    ) -> tuple[Tensor, Any]:
        """At every step an eighth of the rows, in turn, is coded anew; when all were, books move to the means of what
        they stand for."""
        rows, groups = floats_of(matrix), _bounds(matrix.shape[1], options)
        weights = weights_of(rows, used)
        if kept is None:
            books, steps = learned(rows, weights, groups, _bits(options), _high(options)), 0
            codes = coded(rows, books, groups)
            value = decoded(codes, books, groups)
        else:
            (books, codes, value, steps), some = kept, slice(kept[3] % TURNS, None, TURNS)
            codes, value = codes.clone(), value.clone()
            if steps and steps % TURNS == 0:
                books = moved(rows, weights, codes, books, groups)
                value = decoded(codes, books, groups)
            codes[some] = coded(rows[some], books, groups)
            value[some] = decoded(codes[some], books, groups)
        return value.to(matrix.dtype), (books, codes, value, steps + 1)

    @classmethod
    def worth_trying(cls, rows: int, columns: int) -> list[dict[str, int]]:
        """Several numbers of groups; nothing for tables that books are no smaller than.

        Not books of 16 words: plans that had them too were as good after fine-tuning or worse. On validation, of one
        seed, without and with: SASRec on MovieLens 100K NDCG@20 at 1/20 0.182 and 0.182, at 1/50 0.164 and 0.150;
        GRU4Rec on Last.fm NDCG@10 at 1/50 0.035 and 0.027; DeepFM on Frappe at 1/20 the same plan.
        """
        groups = dict.fromkeys(max(1, round(share * columns)) for share in TRIED)
        return [{"m": m, "b": 8} for m in groups] if rows >= 4 * WORDS and columns <= cls.widest else []

    @classmethod
    def options(cls, parts: Mapping[str, Tensor]) -> dict[str, int]:
        """Groups, and bits and words of the books where they are few."""
        told = parts.get("groups", _told(1))
        if told.numel() != 1 or int(told) < 1:
            raise SurgeryError(f"'groups' of ProductRows is one number, 1 or more, not {told.tolist()}")
        few = {"w": FEWER} if "centres" in parts and len(parts["centres"]) == FEWER else {}
        return {"m": int(told), **({"b": 8} if "units" in parts else {}), **few}

    def edges(self) -> list[int]:
        """Where groups begin, and the last one ends."""
        return [int(edge) for edge in self._edges]

    def entries_of(self, codes: Tensor) -> Tensor:
        """(some, m + 1) whole numbers: which entries of the books some rows of `codes` name."""
        if len(self.centres) == WORDS:
            return codes
        codes = codes.int() if is_graph() else codes  # ONNX shifts bytes as signed ones
        return torch.cat([codes & 15, codes >> 4], 1)[:, : self._count]

    def numbers(self, pick: Pick, dtype: torch.dtype) -> Tensor:
        """Centre plus words."""
        codes = self.entries_of(pick(self.codes))
        places = codes.index_select(1, self._places.to(codes.device)).long()
        centres, words = self.books(dtype)
        return centres.index_select(0, codes[:, 0].long()) + words.gather(0, places)

    def lent(self) -> Lent:
        """Codes, both books, what 1 is in them, and where groups begin and end."""
        units, books = self._buffers.get("units"), (self.centres, self.words)
        held = books if units is not None else tuple(book.view(torch.uint16) for book in books)
        unit = None if units is None else units.float().numpy()
        return Lent(
            "rows_of_books",
            (self.codes.numpy(), *(book.numpy() for book in held), unit, self._edges),
            "scores_of_books",
        )

    def multiply(self, x: Tensor) -> Tensor:
        """As of all codes; for few queries products with the books are found once, and a row is a sum of m + 1 of them
        (Jégou et al. 2011, section III.A)."""
        flat, groups, high = x.reshape(-1, self.columns), self._count, len(self.centres)
        if is_graph() or len(flat) > FEW or (torch.is_grad_enabled() and flat.requires_grad):
            return super().multiply(x)
        found = self.quick_scores(flat)
        if found is not None:
            return found.reshape(*x.shape[:-1], len(self.codes))
        centres, words = self.books(flat.dtype)
        products = flat.new_zeros(len(flat), high, groups)
        products.index_add_(2, self._places.to(flat.device), flat[:, None] * words)
        products[:, :, 0] = flat @ centres.T
        first = torch.arange(0, groups * high, high, dtype=torch.int32, device=flat.device)
        places = (self.entries_of(self.codes).int() + first).flatten()
        whole = products.mT.reshape(len(flat), groups * high).index_select(1, places)
        found = whole.view(len(flat), len(self.codes), groups).sum(2)
        return found.reshape(*x.shape[:-1], len(self.codes))

    def books(self, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """(w, columns) centres and words as they count."""
        units = self._buffers.get("units")
        one, other = (1, 1) if units is None else units.to(dtype)
        return self.centres.to(dtype) * one, self.words.to(dtype) * other

    @classmethod
    def bound(cls, matrix: Tensor, **options: int) -> Tensor:
        """The zero among centres and words is never nearer than what is taken."""
        length: Tensor = matrix.norm(dim=1)
        return length * 1.01


def _bits(options: Mapping[str, int]) -> int:
    bits = options.get("b", 16)
    if bits not in (8, 16):
        raise SurgeryError(f"b, the bits of a number of the books, is 8 or 16, not {bits}")
    return bits


def _high(options: Mapping[str, int]) -> int:
    words = options.get("w", WORDS)
    if words not in (FEWER, WORDS):
        raise SurgeryError(f"w, the words of a book, is {FEWER} or {WORDS}, not {words}")
    return words


def _halved(codes: Tensor) -> Tensor:
    """Two codes a byte: the first half of them in the low bits, the others above."""
    half = -(-codes.shape[1] // 2)
    above = torch.nn.functional.pad(codes[:, half:], (0, 2 * half - codes.shape[1]))
    return codes[:, :half] | above << 4


def _told(groups: int) -> Tensor:
    return torch.tensor([groups])


def _groups(columns: int, options: Mapping[str, int]) -> int:
    m = options.get("m", 0) or -(-columns // 4)
    if m < 1:
        raise SurgeryError(f"m is 1 or more, not {m}")
    return min(m, columns)


def _bounds(columns: int, options: Mapping[str, int]) -> list[tuple[int, int]]:
    """First column and end of every group; sizes differ by one at most."""
    edges = np.linspace(0, columns, _groups(columns, options) + 1).round().astype(int).tolist()
    return list(pairwise(edges))
