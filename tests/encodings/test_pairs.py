"""What encodings of sparse matrices of one value have in common."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.encodings.item_item import ItemItem
from recprune.encodings.pair_bits import PairBits
from recprune.encodings.pair_gaps import PairGaps
from recprune.encodings.pairs import Pairs
from recprune.errors import SurgeryError

KINDS = (PairBits, PairGaps)


def pairs(rows: int, columns: int, share: float, seed: int = 0) -> ItemItem:
    """One value."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.rand(1, 1, generator=generator).add(0.1).bfloat16().float().expand(rows, columns)
    return ItemItem.encode(matrix, (torch.rand(rows * columns, generator=generator) < share).nonzero().flatten())


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    columns=st.sampled_from([1, 3, 64, 1000, 70_000]),
    share=st.sampled_from([0.001, 0.01, 0.2, 1.0]),
    seed=st.integers(0, 99),
    kind=st.sampled_from(KINDS),
)
def test_every_pair_is_where_it_was(rows: int, columns: int, share: float, seed: int, kind: type[Pairs]):
    held = pairs(rows, columns, share, seed)
    if not len(held.values):
        return
    codes = kind.of(held)
    codes.check()
    again = codes.opened()
    for part in ("values", "indices", "indptr"):
        assert torch.equal(getattr(again, part), getattr(held, part)), part


@pytest.mark.parametrize("kind", KINDS)
def test_products_both_ways_are_those_of_the_matrix(kind: type[Pairs]):
    held = pairs(30, 50, 0.2)
    codes, dense = kind.of(held), held.dense().detach()
    x, y = torch.rand(20, 50), torch.rand(20, 30)
    assert torch.allclose(codes.multiply(x), x @ dense.T, atol=1e-5)
    for few in (3, 20):
        assert torch.allclose(codes.back(y[:few]), y[:few] @ dense, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_walk_goes_by_shares_and_does_not_count_where_it_comes_back_to_its_start(kind: type[Pairs]):
    held = pairs(30, 50, 0.2)
    codes, dense, x = kind.of(held), held.dense().detach().double(), torch.rand(4, 50)
    to = dense / dense.sum(0).clamp(min=1e-9)
    on = dense / dense.sum(1, keepdim=True).clamp(min=1e-9)
    wanted = to.T @ on
    wanted.fill_diagonal_(0.0)
    for walked in (codes.walk(x), held.walk(x).detach()):
        assert torch.allclose(walked.double(), x.double() @ wanted, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_entries_that_differ_are_refused(kind: type[Pairs]):
    held = ItemItem.encode(torch.tensor([[1.0, 2.0], [3.0, 3.0]]), torch.tensor([0, 1, 2]))
    assert not kind.suits(held)
    with pytest.raises(SurgeryError, match="item_bytes"):
        kind.of(held)


def test_gradients_of_a_walk_are_finite_where_all_of_a_row_has_left():
    held = pairs(6, 9, 0.4)
    with torch.no_grad():
        held.values[: int(held.indptr[1])] = 0.0
    held.walk(torch.rand(3, 9)).sum().backward()
    assert held.values.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [[0, 30, 0, 0], [5, -1, 0, 0], [[5, 30, 0, 0]], [5]])
def test_counts_of_nothing_are_refused(kind: type[Pairs], count: list[int]):
    told = torch.tensor(count)
    parts = dict(kind.of(pairs(30, 50, 0.2)).named_buffers())
    with pytest.raises(SurgeryError, match="'count' of Pair"):
        kind.rebuilt({**parts, "count": told[: kind.counted]})
