"""Books of product codes: learned from rows, moved to the means of what they stand for, and rows coded by them.

Books are (2, entries, columns): centres, and words of all groups of columns side by side (`product_rows`). Groups are
the first column and the end of each. Entry 0 of a book stays zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recprune.encodings.words import Groups, nearest, rows_of, summed
from recprune.errors import SurgeryError

__all__ = ["BOOKS", "WORDS", "coded", "decoded", "floats_of", "learned", "moved", "small", "weights_of"]

WORDS = 256
"""Entries of a book whose codes are bytes."""
BOOKS = ("centres", "words")
SELDOM = 0.5
"""What a row that was never looked up counts, beside 1 for one lookup."""
ROUNDS = 12
"""Rounds of k-means."""
AGAIN = 2
"""Times that centres and words are fitted, each to what the other leaves."""
LEARNED = 32_768
"""Rows that words are learned from, at most."""


def learned(rows: Tensor, weights: Tensor, groups: Groups, bits: int, high: int = WORDS) -> Tensor:
    """(2, high, columns) centres and words, as they will be stored."""
    which = torch.linspace(0, len(rows) - 1, min(len(rows), LEARNED)).round().long().to(rows.device)
    some, much, one = rows[which], weights[which], _whole(rows)
    books, left = some.new_zeros(2, high, some.shape[1]), some
    for _ in range(AGAIN):
        books[0] = _means(left, much, books[0], one)
        left = some - rows_of(nearest(left, books[0], one), books[0], one)
        books[1] = _means(left, much, books[1], groups)
        left = some - rows_of(nearest(left, books[1], groups), books[1], groups)
    return _rounded(books, bits)


def moved(rows: Tensor, weights: Tensor, codes: Tensor, books: Tensor, groups: Groups) -> Tensor:
    """Books after one round of k-means with these codes."""
    centre, words, one = codes[:, :1], codes[:, 1:], _whole(rows)
    centres = _averaged(rows - rows_of(words, books[1], groups), weights, centre, books[0], one)
    left = rows - rows_of(centre, centres, one)
    return torch.stack([centres, _averaged(left, weights, words, books[1], groups)])


def coded(rows: Tensor, books: Tensor, groups: Groups) -> Tensor:
    """(rows, m + 1) uint8: the nearest centre of each row, and the nearest word of each group to what that leaves."""
    centre = nearest(rows, books[0], _whole(rows))
    return torch.cat([centre, nearest(rows - rows_of(centre, books[0], _whole(rows)), books[1], groups)], 1)


def decoded(codes: Tensor, books: Tensor, groups: Groups) -> Tensor:
    """(rows, columns) the sums that codes stand for."""
    return rows_of(codes[:, :1], books[0], _whole(books[0])) + rows_of(codes[:, 1:], books[1], groups)


def small(books: Tensor) -> dict[str, Tensor]:
    """Both books in int8, and the units of their columns."""
    units = (books.abs().amax(1) / 127).bfloat16()
    codes = (books / units.to(books).clamp(min=torch.finfo(books.dtype).tiny)[:, None]).round().clamp(-127, 127)
    return {**dict(zip(BOOKS, codes.to(torch.int8), strict=True)), "units": units}


def _whole(rows: Tensor) -> Groups:
    """All columns in one group."""
    return [(0, rows.shape[1])]


def _rounded(books: Tensor, bits: int) -> Tensor:
    """As they count once they are stored."""
    if bits == 16:
        return books.bfloat16().to(books)
    stored = small(books)
    return torch.stack([stored[name].to(books) for name in BOOKS]) * stored["units"].to(books)[:, None]


def _means(rows: Tensor, weights: Tensor, book: Tensor, groups: Groups) -> Tensor:
    """k-means in every group of columns, from the book, from rows drawn where that is empty; entry 0 stays zero."""
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[: len(book) - 1].to(rows.device)
    book = book.clone()
    for begin, end in groups:
        if not bool(book[:, begin:end].any()):
            book[1 : 1 + len(order), begin:end] = rows[order, begin:end]
    for _ in range(ROUNDS):
        book = _averaged(rows, weights, nearest(rows, book, groups), book, groups)
    return book


def _averaged(rows: Tensor, weights: Tensor, codes: Tensor, book: Tensor, groups: Groups) -> Tensor:
    """Weighed means of the rows of each code in every group; what no row has stays as it is, and so does zero."""
    sums, counts = summed(rows, weights, codes, groups, len(book))
    counts[0] = 0
    there = counts.repeat_interleave(torch.tensor([end - begin for begin, end in groups]).to(rows.device), dim=1)
    return torch.where(there > 0, sums / there.clamp(min=SELDOM), book)


def floats_of(matrix: Tensor) -> Tensor:
    """A matrix in single precision at least, without its history."""
    matrix = matrix.detach()
    return matrix if matrix.dtype in (torch.float32, torch.float64) else matrix.float()


def weights_of(rows: Tensor, used: Tensor | None) -> Tensor:
    """(rows,) what an error of each row counts. Raises SurgeryError where that is not said of every row."""
    if used is None:
        return rows.new_ones(len(rows))
    if used.shape != (len(rows),) or not bool((used >= 0).all()):
        raise SurgeryError(f"used is one number a row, 0 or more: {len(rows):,} of them, not {tuple(used.shape)}")
    return used.to(rows).clamp(min=SELDOM)
