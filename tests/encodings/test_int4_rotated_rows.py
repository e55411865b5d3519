"""Half a byte an entry, rotated."""

import pytest
import torch

from recprune.encodings.int4_rotated_rows import Int4RotatedRows
from recprune.encodings.int4_rows import Int4Rows


@pytest.mark.parametrize("columns", [32, 48])
def test_rows_with_a_few_large_entries_are_stored_better_than_without_a_rotation(columns: int):
    matrix = torch.randn(200, columns, generator=torch.Generator().manual_seed(0))
    matrix[:, :2] *= 20.0
    turned, plain = (kind.encode(matrix).dense() for kind in (Int4RotatedRows, Int4Rows))
    assert (turned - matrix).square().sum() < 0.5 * (plain - matrix).square().sum()
    assert Int4RotatedRows.stored_bytes((200, columns)) == Int4Rows.stored_bytes((200, columns)) + 8


def test_the_seed_is_stored_and_a_loaded_state_turns_by_it():
    matrix = torch.randn(9, 8, generator=torch.Generator().manual_seed(0))
    one, other = Int4RotatedRows.encode(matrix, seed=3), Int4RotatedRows.encode(matrix)
    assert not torch.equal(one.codes, other.codes)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.dense(), other.dense())
    assert other.seed.tolist() == [3]


def test_the_query_is_turned_and_not_the_table():
    stored = Int4RotatedRows.encode(torch.randn(50, 16, generator=torch.Generator().manual_seed(0)))
    x = torch.randn(4, 16, generator=torch.Generator().manual_seed(1))
    scaled = stored.scale.float() * (stored.numbers(lambda part: part, torch.float32) - 8)
    torch.testing.assert_close(stored.multiply(x), stored.turned(x) @ scaled.T, rtol=1e-5, atol=1e-5)
