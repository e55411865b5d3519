"""Entries that are one of a few values."""

from dataclasses import replace

import pytest
import torch

from recprune.encodings.shared_values import SharedValues
from recprune.encodings.spelled import spelled
from recprune.errors import SurgeryError
from recprune.kernels.stored import stored


def drawn(rows=600, columns=8, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def off(matrix, codes):
    return float((codes.dense() - matrix).square().sum() / matrix.square().sum())


@pytest.mark.parametrize(("bits", "wide"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7), (8, 8)])
def test_a_row_takes_so_many_bits_an_entry_and_nothing_else(bits, wide):
    assert SharedValues.stored_bytes((1000, 8), b=bits) == 1000 * wide + 2 * 2**bits
    codes = SharedValues.encode(drawn(), b=bits)
    assert codes.codes.shape == (600, wide)
    assert SharedValues.options(dict(codes.named_buffers())) == {"b": bits}
    assert torch.equal(codes.rows(torch.tensor([3, 599])), codes.dense()[[3, 599]])


def test_rows_whose_bits_do_not_fill_their_bytes_are_read_back():
    for columns in (1, 2, 3, 5, 11):
        for bits in range(1, 9):
            matrix = drawn(60, columns, bits)
            codes = SharedValues.encode(matrix, b=bits)
            near = (matrix[:, :, None] - codes.values.float()).abs().argmin(2)
            assert torch.equal(codes.dense(), codes.values.float()[near])


def test_few_different_numbers_come_back():
    values = torch.tensor([-2.0, -0.5, 0.0, 0.25, 3.0])
    matrix = values[torch.randint(5, (200, 6), generator=torch.Generator().manual_seed(0))]
    assert torch.equal(SharedValues.encode(matrix, b=3).dense(), matrix)


def test_numbers_of_the_normal_distribution_are_as_near_as_they_can_be():
    """Max 1960, table I: the least squared error of 8, 16 and 32 values is 0.03454, 0.009497 and 0.002499."""
    matrix = drawn(20_000, 4)
    for bits, least in ((3, 0.03454), (4, 0.009497), (5, 0.002499)):
        assert off(matrix, SharedValues.encode(matrix, b=bits)) == pytest.approx(least, rel=0.12)


def test_short_rows_are_nearer_than_with_a_scale_each():
    matrix = drawn() * torch.rand(600, 1, generator=torch.Generator().manual_seed(2))
    two = spelled("int2_rotated_rows").encode(matrix)
    four = SharedValues.encode(matrix, b=4)
    assert SharedValues.stored_bytes((600, 8), b=4) <= two.stored_bytes((600, 8)) + 32
    assert off(matrix, four) < off(matrix, two) / 2


def test_what_is_looked_up_most_is_nearest():
    matrix = torch.cat([drawn(300, seed=1), 10 + drawn(300, seed=2)])
    used = torch.cat([torch.full((300,), 1000.0), torch.zeros(300)])
    fair, told = (replace(spelled("shared_values(b=3)"), used=u).encode(matrix) for u in (None, used))
    assert (told.dense() - matrix)[:300].norm() < (fair.dense() - matrix)[:300].norm()
    with pytest.raises(SurgeryError, match="one number a row"):
        replace(spelled("shared_values"), used=torch.ones(3)).encode(matrix)


def test_the_kernels_take_the_very_numbers():
    for columns, bits in ((1, 5), (8, 4), (11, 3)):
        codes = SharedValues.encode(drawn(70_000 if columns == 8 else 900, columns), b=bits)
        rows = stored(codes, None)
        assert rows.kind == "bf16"
        assert torch.equal(torch.from_numpy(rows.numbers(slice(None))), codes.dense())


def test_zero_stays_zero_and_values_ascend():
    for bits in range(1, 9):
        values = SharedValues.encode(5 + drawn(), b=bits).values.float()
        assert 0.0 in values.tolist()
        assert bool((values.diff() >= 0).all())


def test_training_sees_what_will_be_stored_and_values_follow_the_weights():
    matrix, kept = drawn(), None
    encoding = spelled("shared_values(b=3)")
    value, kept = encoding.nearest(matrix, kept)
    assert torch.equal(value, encoding.encode(matrix).dense())
    for _ in range(9):
        matrix = matrix * 1.02
        value, kept = encoding.nearest(matrix, kept)
    assert float((value - matrix).square().sum() / matrix.square().sum()) < 1.3 * off(matrix, encoding.encode(matrix))


@pytest.mark.parametrize("bits", [0, 9, -1])
def test_other_bits_are_refused(bits):
    with pytest.raises(SurgeryError, match=f"1 to 8, not {bits}"):
        SharedValues.encode(drawn(), b=bits)
