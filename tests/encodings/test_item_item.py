"""Item-item matrices by their entries."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.encodings import item_item
from recprune.encodings.item_item import ItemItem, stored_bytes
from recprune.errors import SurgeryError


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 30), share=st.floats(0, 1), seed=st.integers(0, 999))
def test_an_encoded_matrix_multiplies_like_the_masked_one(n: int, share: float, seed: int):
    torch.manual_seed(seed)
    matrix = torch.randn(n, n)
    kept = torch.nonzero(torch.rand(n * n) < share).flatten()
    mask = torch.zeros(n * n).index_fill(0, kept, 1.0).view(n, n)
    encoded = ItemItem.encode(matrix, kept)
    encoded.check()
    history = (torch.rand(5, n) < 0.3).float()
    wanted = history @ (matrix * mask).T
    with torch.no_grad():
        torch.testing.assert_close(encoded(history), wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(encoded(history), wanted, rtol=1e-5, atol=1e-5)
    assert torch.equal(encoded.dense(), matrix * mask)
    held = sum(t.numel() * t.element_size() for t in encoded.state_dict().values())
    assert held == stored_bytes((n, n), len(kept))


def test_the_entries_that_stay_can_be_trained():
    encoded = ItemItem.encode(torch.randn(4, 4), torch.tensor([0, 5, 7]))
    encoded(torch.ones(2, 4)).sum().backward()
    assert encoded.values.grad is not None
    assert encoded.values.grad.tolist() == [2.0, 2.0, 2.0]


def test_the_gradient_of_entries_is_that_of_the_matrix_however_many_are_held_at_once(monkeypatch):
    monkeypatch.setattr(item_item, "HELD", 7)
    matrix, kept = torch.randn(6, 6), torch.tensor([0, 3, 8, 9, 14, 22, 35])
    encoded, history, weights = ItemItem.encode(matrix, kept), torch.rand(3, 6), torch.randn(3, 6)
    (encoded(history) * weights).sum().backward()
    whole = (weights.T @ history).flatten()[kept]
    torch.testing.assert_close(encoded.values.grad, whole)
    asked = history.clone().requires_grad_()
    (encoded(asked) * weights).sum().backward()
    torch.testing.assert_close(asked.grad, weights @ encoded.dense().detach())


def test_it_is_exported_for_batches_of_any_size():
    matrix = torch.randn(5, 7)
    encoded = ItemItem.encode(matrix, torch.tensor([0, 3, 15, 16, 20]))
    with torch.no_grad():
        program = torch.export.export(encoded, (torch.rand(3, 7),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    history = torch.rand(17, 7)
    torch.testing.assert_close(program.module()(history), history @ encoded.dense().T)
    assert not any("sparse" in str(node.target) for node in program.graph.nodes)


@pytest.mark.parametrize(
    ("indices", "indptr"), [([0, 9], [0, 1, 2]), ([0, 1], [0, 3, 2]), ([0, 1], [1, 1, 2]), ([1, 0], [0, 2, 2])]
)
def test_damaged_indices_are_refused_before_they_are_used(indices: list[int], indptr: list[int]):
    with pytest.raises(SurgeryError, match="damaged"):
        ItemItem(torch.ones(2), torch.tensor(indices), torch.tensor(indptr), 2).check()


@pytest.mark.parametrize(
    ("indices", "indptr"), [([0, 65537], [0, 1, 2]), ([0, 1], [0, 1, 2**32 + 2]), ([[0], [1]], [0, 1, 2])]
)
def test_stored_indices_that_would_wrap_are_refused(indices: list[int], indptr: list[int]):
    parts = {"values": torch.ones(2), "indices": torch.tensor([0, 1]), "indptr": torch.tensor([0, 1, 2])}
    ItemItem.rebuilt(parts, 2)
    with pytest.raises(SurgeryError):
        ItemItem.rebuilt({**parts, "indices": torch.tensor(indices), "indptr": torch.tensor(indptr)}, 2)


def test_rows_in_another_order_are_the_same_rows():
    matrix = torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [1.0, 2.0, 0.0], [0.0, 4.0, 0.0]])
    held = ItemItem.encode(matrix, matrix.flatten().nonzero().flatten())
    assert held.first_columns().tolist() == [2, 3, 0, 1]
    order = torch.tensor([2, 3, 0, 1])
    placed = held.arranged(order)
    placed.check()
    assert torch.equal(placed.dense(), matrix[order])
    assert placed.first_columns().tolist() == [0, 1, 2, 3]
