"""Rows by a centre and the words of their groups."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from recprune.encodings.product_rows import ProductRows
from recprune.encodings.spelled import spelled
from recprune.errors import SurgeryError


def clustered(rows=900, columns=12, centres=6, noise=0.05):
    g = torch.Generator().manual_seed(0)
    middle = torch.randn(centres, columns, generator=g)
    which = torch.randint(centres, (rows,), generator=g)
    return middle[which] + noise * torch.randn(rows, columns, generator=g)


def test_a_row_takes_a_byte_a_group_and_one():
    assert ProductRows.stored_bytes((10_000, 64), m=16) == 10_000 * 17 + 2 * 256 * 64 * 2 + 8
    assert ProductRows.encode(clustered(), m=5).codes.shape == (900, 6)


def test_books_of_int8_take_half_and_are_as_near():
    matrix = clustered(columns=64)
    assert ProductRows.stored_bytes((10_000, 64), m=16, b=8) == 10_000 * 17 + 2 * 256 * 64 + 2 * 64 * 2 + 8
    whole, small = (ProductRows.encode(matrix, m=8, b=b) for b in (16, 8))
    off = [float((codes.dense() - matrix).norm()) for codes in (whole, small)]
    assert off[1] < 1.03 * off[0]
    assert small.centres.dtype is small.words.dtype is torch.int8
    parts = dict(small.named_buffers())
    again = ProductRows.rebuilt(parts)
    assert torch.equal(again.dense(), small.dense())
    assert ProductRows.options(parts) == {"m": 8, "b": 8}
    centres, words = small.books()
    assert torch.equal(small.dense()[0], (centres[int(small.codes[0, 0])] + words.gather(0, placed(small))[0]))
    with pytest.raises(SurgeryError, match="8 or 16, not 4"):
        ProductRows.encode(matrix, m=8, b=4)


def placed(codes):
    """(rows, columns) the word of every number."""
    wide = codes.like.shape[1] // (codes.codes.shape[1] - 1)
    return codes.codes[:, 1:].long().repeat_interleave(wide, 1)


@pytest.mark.parametrize("rows", [0.0, 1.0])
def test_a_matrix_of_equal_rows_has_books_of_int8_too(rows):
    matrix = torch.full((300, 8), rows)
    assert torch.allclose(ProductRows.encode(matrix, m=2, b=8).dense(), matrix, rtol=0.01)


def test_few_different_rows_come_back_but_for_bfloat16():
    rows = torch.randn(20, 8, generator=torch.Generator().manual_seed(1)).bfloat16().float()
    assert torch.equal(ProductRows.encode(rows[torch.arange(300) % 20], m=2).dense(), rows[torch.arange(300) % 20])


def test_more_groups_are_nearer_and_resembling_rows_nearer_than_two_bits():
    matrix = clustered()
    off = [float((ProductRows.encode(matrix, m=m).dense() - matrix).norm()) for m in (1, 3, 6, 12)]
    assert off == sorted(off, reverse=True)
    rotated = spelled("int2_rotated_rows").encode(matrix)
    assert off[1] < float((rotated.dense() - matrix).norm())


@pytest.mark.parametrize("bits", [8, 16])
def test_what_training_sees_first_is_what_is_stored_but_for_what_books_are_rounded_to(bits):
    matrix = clustered()
    value, kept = ProductRows.nearest(matrix, m=4, b=bits)
    assert torch.equal(value, ProductRows.encode(matrix, m=4, b=bits).dense())
    again, _ = ProductRows.nearest(matrix, kept, m=4, b=bits)
    assert float((again - matrix).norm()) <= float((value - matrix).norm()) * 1.001


def test_books_and_codes_follow_rows_that_move():
    matrix = clustered()
    value, kept = ProductRows.nearest(matrix, m=4)
    first = value.clone()
    moved = 1.2 * matrix
    off = []
    for _ in range(64):
        found, kept = ProductRows.nearest(moved, kept, m=4)
        off.append(float((found - moved).norm()))
    assert off[-1] < 0.1 * off[0]
    assert off[-1] < 2 * float((ProductRows.encode(moved, m=4).dense() - moved).norm())
    assert torch.equal(value, first)


def test_zero_stays_zero_and_groups_of_unlike_sizes_cover_all_columns():
    matrix = clustered(columns=7)
    matrix[5] = 0
    dense = ProductRows.encode(matrix, m=3).dense()
    assert torch.equal(dense[5], torch.zeros(7))
    assert float((dense - matrix).norm() / matrix.norm()) < 0.1


@pytest.mark.parametrize("m", [-1, -3])
def test_a_negative_number_of_groups_is_refused(m):
    with pytest.raises(SurgeryError, match=f"m is 1 or more, not {m}"):
        ProductRows.encode(clustered(), m=m)


def test_damaged_groups_are_refused():
    parts = dict(ProductRows.encode(clustered(), m=4).named_buffers())
    with pytest.raises(SurgeryError, match="'groups' of ProductRows is one number"):
        ProductRows.rebuilt({**parts, "groups": torch.tensor([0])})


def weighed_error(matrix, dense, used):
    return float((((matrix - dense) ** 2).sum(1) * used).sum())


@pytest.mark.parametrize("trained", [False, True])
def test_books_fit_best_the_rows_that_are_looked_up_most(trained):
    g = torch.Generator().manual_seed(3)
    matrix, used = torch.randn(2000, 8, generator=g), torch.ones(2000)
    used[torch.randperm(2000, generator=g)[:200]] = 300.0
    dense = []
    for told in (None, used):
        encoding = replace(spelled("product_rows(m=2)"), used=told)
        value, kept = encoding.nearest(matrix)
        for _ in range(9 if trained else 0):
            value, kept = encoding.nearest(matrix, kept)
        dense.append(value if trained else encoding.encode(matrix).dense())
    alike, weighed = (weighed_error(matrix, found, used) for found in dense)
    assert weighed < 0.8 * alike
    ones = torch.ones(2000)
    assert weighed_error(matrix, dense[1], ones) > weighed_error(matrix, dense[0], ones)


def test_rows_that_are_looked_up_alike_give_the_books_of_rows_of_which_nothing_is_said():
    matrix = clustered()
    encoding = spelled("product_rows(m=4)")
    told = replace(encoding, used=torch.ones(900))
    assert told == encoding
    assert torch.equal(told.encode(matrix).dense(), encoding.encode(matrix).dense())


@pytest.mark.parametrize("used", [torch.ones(7), -torch.ones(900), torch.full((900,), float("nan"))])
def test_how_often_rows_are_looked_up_is_said_of_each(used):
    with pytest.raises(SurgeryError, match="used is one number a row, 0 or more"):
        replace(spelled("product_rows(m=4)"), used=used).encode(clustered())


def test_an_encoding_without_books_takes_no_notice():
    matrix = clustered()
    told = replace(spelled("int4_rows"), used=torch.ones(900))
    assert torch.equal(told.encode(matrix).dense(), spelled("int4_rows").encode(matrix).dense())


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("shape", [(7,), (1, 7), (3, 7), (9, 7), (2, 2, 7), (0, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_of_few_and_of_many_queries_are_those_of_the_decoded_rows(bits, shape, dtype):
    codes = ProductRows.encode(clustered(columns=7).to(dtype), m=3, b=bits)
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(5), dtype=dtype)
    for one in (x, x.clone().requires_grad_()):
        assert torch.allclose(codes.multiply(one), x @ codes.dense().T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("m", [1, 4, 5, 12])
@pytest.mark.parametrize("bits", [16, 8])
def test_books_of_sixteen_words_take_half_a_byte_a_code(m, bits):
    matrix = clustered()
    codes = ProductRows.encode(matrix, m=m, b=bits, w=16)
    books = 2 * 16 * 12 * bits // 8 + (2 * 12 * 2 if bits == 8 else 0)
    assert codes.codes.shape == (900, (m + 2) // 2)
    assert ProductRows.stored_bytes((900, 12), m=m, b=bits, w=16) == 900 * ((m + 2) // 2) + books + 8
    parts = dict(codes.named_buffers())
    assert ProductRows.options(parts) == {"m": m, "w": 16, **({"b": 8} if bits == 8 else {})}
    dense = codes.dense()
    assert torch.equal(ProductRows.rebuilt(parts).dense(), dense)
    some = torch.tensor([[3, 899], [0, 3]])
    assert torch.equal(codes.rows(some), dense[some])
    for queries in (1, 9):
        x = torch.randn(queries, 12, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(codes.multiply(x), x @ dense.T, rtol=1e-5, atol=1e-5)
    centres, words = codes.books()
    entries = codes.entries_of(codes.codes).long()
    assert entries.shape == (900, m + 1)
    assert int(entries.max()) < 16
    edges = codes.edges()
    for row in (0, 17):
        wanted = centres[entries[row, 0]].clone()
        for group, (begin, end) in enumerate(pairwise(edges)):
            wanted[begin:end] += words[entries[row, 1 + group], begin:end]
        torch.testing.assert_close(dense[row], wanted)


def test_groups_beyond_the_columns_are_as_many_as_these():
    parts = dict(ProductRows.encode(clustered(), m=12).named_buffers())
    codes = ProductRows.rebuilt({**parts, "groups": torch.tensor([5_000])})
    x = torch.randn(2, 12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(codes.multiply(x), x @ codes.dense().T, rtol=1e-5, atol=1e-5)


def test_words_are_256_or_16():
    with pytest.raises(SurgeryError, match="16 or 256, not 32"):
        ProductRows.encode(clustered(), m=4, w=32)


def test_training_sees_few_words_as_they_will_be_stored():
    matrix, how = clustered(), spelled("product_rows(m=4,b=8,w=16)")
    value, kept = how.nearest(matrix)
    torch.testing.assert_close(value, how.encode(matrix).dense())
    again, _ = how.nearest(matrix + 0.001, kept)
    assert float((again - matrix).norm()) < 1.1 * float((value - matrix).norm())
