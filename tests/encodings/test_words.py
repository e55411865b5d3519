"""Words of groups of columns: by the kernels what torch finds."""

import itertools

import pytest
import torch

from recprune.encodings import words
from recprune.encodings.words import nearest, owners, rows_of, summed


def groups_of(columns: int, count: int) -> list[tuple[int, int]]:
    return list(itertools.pairwise(torch.linspace(0, columns, count + 1).long().tolist()))


def drawn(rows: int, columns: int, entries: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Small whole numbers, of which all sums are exact."""
    draw = torch.Generator().manual_seed(rows)
    x = torch.randint(-9, 10, (rows, columns), generator=draw).float()
    return x, torch.randint(-9, 10, (entries, columns), generator=draw).float()


@pytest.fixture(params=[(1, 1, 1, 1), (9, 7, 3, 16), (130, 24, 24, 256), (33, 70, 1, 200), (4, 129, 128, 65)])
def case(request) -> tuple[torch.Tensor, torch.Tensor, list[tuple[int, int]]]:
    rows, columns, count, entries = request.param
    return *drawn(rows, columns, entries), groups_of(columns, count)


def test_the_nearest_words_are_the_first_of_the_nearest(level: str, case):
    rows, book, groups = case
    found = nearest(rows, book, groups)
    assert found.dtype is torch.uint8
    for number, (begin, end) in enumerate(groups):
        apart = ((rows[:, None, begin:end] - book[None, :, begin:end]) ** 2).sum(2)
        least = [int((row == row.min()).nonzero()[0]) for row in apart]
        assert found[:, number].tolist() == least


def test_rows_are_the_words_that_are_coded(level: str, case):
    rows, book, groups = case
    codes = nearest(rows, book, groups)
    found = rows_of(codes, book, groups)
    for column, owner in enumerate(owners(groups).tolist()):
        assert torch.equal(found[:, column], book[codes[:, owner].long(), column])


def test_sums_are_those_of_the_rows_of_each_code(level: str, case):
    rows, book, groups = case
    codes, weights = nearest(rows, book, groups), torch.arange(1.0, len(rows) + 1)
    sums, counts = summed(rows, weights, codes, groups, len(book))
    for number, (begin, end) in enumerate(groups):
        for entry in codes[:, number].unique().tolist():
            mine = codes[:, number] == entry
            assert counts[entry, number] == weights[mine].sum()
            assert torch.equal(sums[entry, begin:end], (rows[mine] * weights[mine, None])[:, begin:end].sum(0))
    assert counts.sum() == weights.sum() * len(groups)


def test_every_way_finds_the_same_of_any_numbers(monkeypatch):
    rows, book = torch.randn(300, 20, generator=torch.Generator().manual_seed(1)), torch.randn(40, 20)
    groups, weights = groups_of(20, 6), torch.rand(300)
    found = []
    for way in ("numpy", ""):
        monkeypatch.setenv("RECPRUNE_KERNELS", way)
        codes = nearest(rows, book, groups)
        found.append((codes, rows_of(codes, book, groups), *summed(rows, weights, codes, groups, 40)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_more_rows_than_torch_adds_up_at_a_time(monkeypatch):
    rows, book = drawn(50, 6, 9)
    groups = groups_of(6, 2)
    codes, weights = nearest(rows, book, groups), torch.ones(50)
    wanted = summed(rows, weights, codes, groups, 9)
    monkeypatch.setenv("RECPRUNE_KERNELS", "numpy")
    monkeypatch.setattr(words, "STEP", 7)
    found = summed(rows, weights, codes, groups, 9)
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_other_floats_and_many_groups_are_left_to_torch():
    rows, book = drawn(8, 140, 5)
    many = groups_of(140, 140)
    assert torch.equal(nearest(rows, book, many), nearest(rows.double(), book.double(), many))
    codes = nearest(rows, book, many)
    assert torch.equal(rows_of(codes, book, many).double(), rows_of(codes, book.double(), many))


def test_no_rows_have_no_codes(level: str):
    rows, book = drawn(1, 4, 3)
    groups = groups_of(4, 2)
    codes = nearest(rows[:0], book, groups)
    assert codes.shape == (0, 2)
    assert rows_of(codes, book, groups).shape == (0, 4)
    assert not summed(rows[:0], torch.ones(0), codes, groups, 3)[0].any()
