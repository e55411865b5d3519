"""Books of product codes: learned from rows, moved to the means of what they stand for, and rows coded by them.

Books are (2, entries, columns): centres, and words of all groups of columns side by side (`product_rows`). Groups are
the first column and the end of each. Entry 0 of a book stays zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["BOOKS", "SELDOM", "WORDS", "coded", "decoded", "learned", "moved", "owners", "small"]

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


def learned(rows: Tensor, weights: Tensor, groups: list[tuple[int, int]], bits: int, high: int = WORDS) -> Tensor:
    """(2, high, columns) centres and words, as they will be stored."""
    which = torch.linspace(0, len(rows) - 1, min(len(rows), LEARNED)).round().long().to(rows.device)
    some, much = rows[which], weights[which]
    books, left = some.new_zeros(2, high, some.shape[1]), some
    for _ in range(AGAIN):
        books[0] = _means(left, much, books[0])
        left = some - books[0].index_select(0, _nearest(left, books[0]))
        for begin, end in groups:
            books[1][:, begin:end] = _means(left[:, begin:end], much, books[1][:, begin:end])
        left = some - _words(_coded_words(left, books[1], groups), books[1], groups)
    return _rounded(books, bits)


def moved(rows: Tensor, weights: Tensor, codes: Tensor, books: Tensor, groups: list[tuple[int, int]]) -> Tensor:
    """Books after one round of k-means with these codes."""
    places, out = codes.long(), books.clone()
    centre = places[:, 0]
    out[0] = _averaged(rows - _words(places[:, 1:], books[1], groups), weights, centre, books[0])
    left = rows - out[0].index_select(0, centre)
    for number, (begin, end) in enumerate(groups):
        out[1][:, begin:end] = _averaged(left[:, begin:end], weights, places[:, 1 + number], books[1][:, begin:end])
    return out


def coded(rows: Tensor, books: Tensor, groups: list[tuple[int, int]]) -> Tensor:
    """(rows, m + 1) uint8: the nearest centre of each row, and the nearest word of each group to what that leaves."""
    centre = _nearest(rows, books[0])
    words = _coded_words(rows - books[0].index_select(0, centre), books[1], groups)
    return torch.cat([centre[:, None], words], 1).to(torch.uint8)


def decoded(codes: Tensor, books: Tensor, groups: list[tuple[int, int]]) -> Tensor:
    """(rows, columns) the sums that codes stand for."""
    places = codes.long()
    return books[0].index_select(0, places[:, 0]) + _words(places[:, 1:], books[1], groups)


def small(books: Tensor) -> dict[str, Tensor]:
    """Both books in int8, and the units of their columns."""
    units = (books.abs().amax(1) / 127).bfloat16()
    codes = (books / units.to(books).clamp(min=torch.finfo(books.dtype).tiny)[:, None]).round().clamp(-127, 127)
    return {**dict(zip(BOOKS, codes.to(torch.int8), strict=True)), "units": units}


def owners(groups: list[tuple[int, int]]) -> Tensor:
    """(columns,) the group of every column."""
    return torch.cat([torch.full((end - begin,), number) for number, (begin, end) in enumerate(groups)])


def _rounded(books: Tensor, bits: int) -> Tensor:
    """As they count once they are stored."""
    if bits == 16:
        return books.bfloat16().to(books)
    stored = small(books)
    return torch.stack([stored[name].to(books) for name in BOOKS]) * stored["units"].to(books)[:, None]


def _means(rows: Tensor, weights: Tensor, book: Tensor) -> Tensor:
    """k-means from the book, from rows drawn where that is empty; entry 0 stays zero."""
    rows = rows.contiguous()
    if not bool(book.any()):
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[: len(book) - 1]
        book = torch.zeros_like(book)
        book[1 : 1 + len(order)] = rows[order]
    for _ in range(ROUNDS):
        book = _averaged(rows, weights, _nearest(rows, book), book)
    return book


def _averaged(rows: Tensor, weights: Tensor, codes: Tensor, book: Tensor) -> Tensor:
    """Weighed means of the rows of each code; what no row has stays as it is, and so does zero."""
    sums = torch.zeros_like(book).index_add(0, codes, rows * weights[:, None])
    counts = weights.new_zeros(len(book)).index_add(0, codes, weights)
    counts[0] = 0
    return torch.where(counts[:, None] > 0, sums / counts.clamp(min=SELDOM)[:, None], book)


def _nearest(rows: Tensor, book: Tensor) -> Tensor:
    """(rows,) the nearest entry of the book, the first of equal ones."""
    half = 0.5 * (book * book).sum(1)
    return torch.cat([_least(half - some @ book.T) for some in torch.split(rows, 4096)])


def _least(apart: Tensor) -> Tensor:
    """(rows,) the column of the least number of each row, the first of equal ones; by numpy where it can,
    which is five times as fast."""
    if apart.device.type != "cpu":
        return apart.argmin(1)
    return torch.from_numpy(apart.numpy().argmin(1))


def _coded_words(left: Tensor, words: Tensor, groups: list[tuple[int, int]]) -> Tensor:
    """(rows, m)."""
    return torch.stack([_nearest(left[:, begin:end], words[:, begin:end]) for begin, end in groups], 1)


def _words(codes: Tensor, words: Tensor, groups: list[tuple[int, int]]) -> Tensor:
    """(rows, columns) what the codes of all groups stand for."""
    return words.gather(0, codes.index_select(1, owners(groups).to(codes.device)))
