"""One signed byte an entry."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.encodings.int8_rows import Int8Rows


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 20), columns=st.integers(1, 40), size=st.floats(-30, 30), seed=st.integers(0, 999))
def test_no_entry_is_further_off_than_half_a_scale(rows: int, columns: int, size: float, seed: int):
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * 10.0**size
    stored = Int8Rows.encode(matrix)
    off = (stored.dense() - matrix).abs()
    assert bool((off <= stored.scale.float() * (0.5 + 1e-6)).all())
    assert stored.codes.abs().max() <= 127


def test_a_matrix_worked_by_hand():
    stored = Int8Rows.encode(torch.tensor([[127.0, -64.0, 0.4], [0.0, 0.0, 0.0]]))
    assert stored.codes.tolist() == [[127, -64, 0], [0, 0, 0]]
    assert stored.scale.tolist() == [[1.0], [0.0]]
    assert Int8Rows.stored_bytes((2, 3)) == 2 * 3 + 2 * 2
