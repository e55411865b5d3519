"""Half a byte an entry."""

import torch

from recprune.encodings.int4_rows import Int4Rows


def test_a_row_on_the_levels_comes_back_as_it_is_whichever_side_its_largest_entry_is_on():
    levels = torch.arange(-8.0, 8.0) * 0.25
    matrix = torch.stack([levels, -levels])
    stored = Int4Rows.encode(matrix)
    assert torch.equal(stored.dense(), matrix)
    assert stored.scale.flatten().tolist() == [0.25, -0.25]
    assert Int4Rows.stored_bytes((2, 16)) == 2 * 8 + 2 * 2
    assert Int4Rows.stored_bytes((2, 17)) == 2 * 9 + 2 * 2


def test_the_scale_is_better_than_that_of_the_largest_entry():
    matrix = torch.randn(400, 64, generator=torch.Generator().manual_seed(0))
    plain = matrix.abs().amax(1, keepdim=True) / 7
    naive = ((matrix / plain).round() * plain - matrix).square().mean()
    found = (Int4Rows.encode(matrix).dense() - matrix).square().mean()
    assert found < 0.8 * naive


def test_entries_that_are_zero_stay_zero():
    matrix = torch.randn(30, 12, generator=torch.Generator().manual_seed(1))
    matrix[:, ::3] = 0.0
    assert not bool(Int4Rows.encode(matrix).dense()[:, ::3].any())
