"""The largest entries of every row."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.encodings.top_entries import TopEntries
from recprune.errors import SurgeryError


def test_a_matrix_worked_by_hand():
    stored = TopEntries.encode(torch.tensor([[3.0, -5.0, 1.0, 5.0], [0.0, 2.0, 2.0, -2.0]]), k=2)
    assert stored.codes.tolist() == [[-5.0, 5.0], [2.0, 2.0]]
    assert stored.indices.tolist() == [[1, 3], [1, 2]]
    assert stored.dense().tolist() == [[0.0, -5.0, 0.0, 5.0], [0.0, 2.0, 2.0, 0.0]]
    assert TopEntries.stored_bytes((2, 4), k=2) == 2 * 2 * (4 + 1)


@settings(max_examples=30, deadline=None)
@given(columns=st.integers(1, 400), k=st.integers(1, 30), bits=st.sampled_from([0, 8]), seed=st.integers(0, 99))
def test_products_are_those_of_the_decoded_matrix_however_sparse(columns: int, k: int, bits: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    stored = TopEntries.encode(torch.randn(7, columns, generator=generator), k=k, bits=bits)
    for batch in (1, 3, 20):
        x = torch.randn(batch, columns, generator=generator)
        wanted = x @ stored.dense().T
        torch.testing.assert_close(stored.multiply(x), wanted, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(stored.multiply(x.requires_grad_()).detach(), wanted, rtol=1e-5, atol=1e-5)
    held = sum(part.numel() * part.element_size() for part in stored.buffers())
    assert held == TopEntries.stored_bytes((7, columns), k=k, bits=bits)
    assert stored.entries == TopEntries.stored_entries((7, columns), k=k) == 7 * min(k, columns)


@pytest.mark.parametrize(("columns", "size"), [(256, 1), (257, 2), (32768, 2), (32769, 4)])
def test_indices_are_as_short_as_the_columns_allow(columns: int, size: int):
    matrix = torch.zeros(1, columns)
    matrix[0, -1] = 2.0
    stored = TopEntries.encode(matrix, k=1)
    assert stored.indices.element_size() == size
    assert stored.indices.long().tolist() == [[columns - 1]]
    assert torch.equal(stored.dense(), matrix)
    assert TopEntries.stored_bytes((1, columns), k=1) == 4 + size


@pytest.mark.parametrize("indices", [[[1, 9]], [[2, 2]], [[3, 1]]])
def test_damaged_indices_are_refused(indices: list[list[int]]):
    parts = dict(TopEntries.encode(torch.rand(1, 5), k=2).named_buffers())
    with pytest.raises(SurgeryError, match="damaged"):
        TopEntries.rebuilt({**parts, "indices": torch.tensor(indices, dtype=torch.uint8)})


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(SurgeryError, match="not in 4"):
        TopEntries.encode(torch.rand(2, 4), bits=4)
    for k in (-1, 0):
        with pytest.raises(SurgeryError, match="1 or more"):
            TopEntries.encode(torch.rand(2, 4), k=k)
