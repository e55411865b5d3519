"""Two bits an entry, rotated."""

import torch

from recprune.encodings.int2_rotated_rows import Int2RotatedRows


def test_the_error_of_gaussian_rows_is_that_of_four_even_levels():
    """0.1188 of the variance in Max 1960, table II; a scale of each row's own does a little better."""
    matrix = torch.randn(2000, 64, generator=torch.Generator().manual_seed(0))
    off = (Int2RotatedRows.encode(matrix).dense() - matrix).square().mean()
    assert 0.100 < float(off) < 0.1188


def test_a_byte_holds_four_entries():
    assert Int2RotatedRows.stored_bytes((10, 64)) == 10 * (16 + 2) + 8
    stored = Int2RotatedRows.encode(torch.randn(10, 6, generator=torch.Generator().manual_seed(0)))
    assert stored.codes.shape == (10, 2)
    levels = stored.numbers(lambda part: part, torch.float32)
    assert levels.shape == (10, 6)
    assert set(levels.unique().tolist()) <= {0.0, 1.0, 2.0, 3.0}
